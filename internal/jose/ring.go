package jose

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/seed-e36e2130/auth/internal/strictjson"
)

// Ring is a fixed set of keys, with a table of the protected headers that name them. It is safe for
// concurrent use.
type Ring struct {
	byID   map[string]*Key
	byAlg  map[string]*Key // the only key of an algorithm; nil if there are several
	issues bool            // whether the tokens are made with these keys and so name them by their IDs

	// headers maps a raw header segment (the text before the first dot) to its meaning. At first it
	// has the headers that this library writes. Then it learns the spellings of other issuers, up
	// to a bound, and only from tokens whose signature was verified, so that an attacker cannot
	// fill it.
	headers atomic.Pointer[map[string]header]
	mu      sync.Mutex // held while headers is replaced
	room    int        // number of headers that may still be learned
}

// header is the meaning of one protected header.
type header struct {
	key      *Key
	typ      string // result of MediaType
	named    bool   // whether the header names the key by its ID; false: it is the only one of its algorithm
	holdsKey bool   // whether the header has a parameter that brings a key or the address of one
}

// AccessTokenType is the typ of access tokens (RFC 9068 section 2.1). A new ring knows the headers
// of its keys with this typ.
const AccessTokenType = "at+jwt"

// maxLearnedBytes bounds a header segment in the table.
const maxLearnedBytes = 512

// NewRing returns a ring of keys, whose IDs must differ. issues says that whoever has the ring also
// issues the tokens, so that every key has an ID that the tokens know: see Ring.parse.
func NewRing(keys []*Key, issues bool) *Ring {
	r := &Ring{
		byID:   make(map[string]*Key, len(keys)),
		byAlg:  make(map[string]*Key),
		issues: issues,
		room:   16 + len(keys),
	}
	table := make(map[string]header, len(keys))
	for _, k := range keys {
		r.byID[k.ID()] = k
		if _, more := r.byAlg[k.Algorithm()]; more {
			r.byAlg[k.Algorithm()] = nil
		} else {
			r.byAlg[k.Algorithm()] = k
		}
		table[HeaderSegment(k, AccessTokenType)] = header{key: k, typ: AccessTokenType, named: true}
	}
	r.headers.Store(&table)
	return r
}

// lookup returns the meaning of a header segment from the table.
func (r *Ring) lookup(segment string) (header, bool) {
	h, ok := (*r.headers.Load())[segment]
	return h, ok
}

// learn adds a header segment to the table, unless it is too long or the table is full. It copies
// the segment, which would otherwise keep the whole token in memory.
func (r *Ring) learn(segment string, h header) {
	if len(segment) > maxLearnedBytes {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.lookup(segment); ok || r.room == 0 {
		return
	}
	r.room--
	table := maps.Clone(*r.headers.Load())
	table[strings.Clone(segment)] = h
	r.headers.Store(&table)
}

// parse reads a header that is not in the table. Duplicate and malformed members are refused (RFC
// 7515 section 4), because two parsers could otherwise see different algorithms.
func (r *Ring) parse(segment string) (header, error) {
	text, err := canonical.DecodeString(segment)
	if err != nil {
		return header{}, ErrMalformed
	}
	var alg, kid, typ string
	var hasAlg, hasKid, holdsKey bool
	err = strictjson.Object(string(text), func(name, value string) error {
		ok := true
		switch name {
		case "alg":
			alg, ok = strictjson.Text(value)
			hasAlg = true
		case "kid":
			kid, ok = strictjson.Text(value)
			hasKid = true
		case "typ":
			typ, ok = strictjson.Text(value)
			typ = MediaType(typ)
			ok = ok && typ != "" // an empty typ would count as absent
		case "jwk", "jku", "x5u", "x5c":
			// They bring a key, or an address of one: with a key of the token's own, any signature
			// verifies (RFC 8725 section 3.10, CVE-2018-0114), and an address makes the server send
			// a request (CWE-918). They are never read: see Open and decision 0011.
			holdsKey = true
		case "crit", "b64":
			// No extension is supported (RFC 7515 section 4.1.11), nor an unencoded payload (RFC
			// 7797).
			ok = false
		case "cty", "enc", "zip":
			// They belong to nested tokens (RFC 7519 section 5.2) and to encryption (RFC 7516).
			ok = false
		}
		if !ok {
			return ErrHeader
		}
		return nil
	})
	if err != nil || !hasAlg {
		return header{}, ErrHeader
	}
	// A header without kid means the only key of its algorithm. So does a kid, if that key was given
	// no ID that it could be compared with. See decision 0010.
	key, named := r.byAlg[alg], false
	if hasKid {
		if k := r.byID[kid]; k != nil {
			key, named = k, true
		} else if key != nil && (key.hasID || r.issues) {
			key = nil
		}
	}
	if key == nil {
		return header{}, ErrUnknownKey
	}
	// The key decides the algorithm, and the header must agree (RFC 8725 section 3.1). This refuses
	// "none" and the use of a public key as an HMAC secret (CVE-2015-9235).
	if key.Algorithm() != alg {
		return header{}, ErrHeader
	}
	return header{key: key, typ: typ, named: named, holdsKey: holdsKey}, nil
}

// MediaType returns typ in the form in which types are compared: with A-Z in lower case, and
// without the prefix "application/", which may be left out (RFC 7515 section 4.1.9). It folds no
// other letters, such as the Kelvin sign, which Unicode folds to k.
func MediaType(typ string) string {
	return strings.TrimPrefix(strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, typ), "application/")
}

// HeaderSegment returns the encoded protected header of tokens that key signs.
func HeaderSegment(key *Key, typ string) string {
	text := append([]byte(`{"alg":"`), key.Algorithm()...)
	text = append(text, `","kid":`...)
	text, _ = strictjson.AppendText(text, key.ID()) // no error: a key ID is valid UTF-8
	text = append(text, `,"typ":"`...)
	text = append(text, typ...)
	return canonical.EncodeToString(append(text, `"}`...))
}
