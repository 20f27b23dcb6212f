package jose

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/seed-e36e2130/auth/internal/strictjson"
)

// Ring is a fixed set of keys and the table of the protected headers that name
// them. It is safe for concurrent use.
type Ring struct {
	byID  map[string]*Key
	byAlg map[string]*Key // the only key of its algorithm; nil where there are more

	// headers maps the raw header segment, as it stands before the first dot, to
	// what it means. It begins with the headers that this library writes and
	// learns, up to a bound, the spellings of other issuers: each from a token
	// whose signature verified, so a stranger cannot fill it.
	headers atomic.Pointer[map[string]header]
	mu      sync.Mutex // held while headers is replaced
	room    int        // headers still to be learned
}

// header is the meaning of one protected header.
type header struct {
	key *Key
	typ string
}

// AccessTokenType is the typ that headers are made ready for: RFC 9068 section 2.1.
const AccessTokenType = "at+jwt"

const maxLearnedBytes = 512 // of one header segment

// NewRing returns the ring of keys, whose IDs must differ.
func NewRing(keys []*Key) *Ring {
	r := &Ring{
		byID:  make(map[string]*Key, len(keys)),
		byAlg: make(map[string]*Key),
		room:  16 + len(keys),
	}
	table := make(map[string]header, len(keys))
	for _, k := range keys {
		r.byID[k.ID()] = k
		if _, more := r.byAlg[k.Algorithm()]; more {
			r.byAlg[k.Algorithm()] = nil
		} else {
			r.byAlg[k.Algorithm()] = k
		}
		table[HeaderSegment(k, AccessTokenType)] = header{k, AccessTokenType}
	}
	r.headers.Store(&table)
	return r
}

func (r *Ring) lookup(segment string) (header, bool) {
	h, ok := (*r.headers.Load())[segment]
	return h, ok
}

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

// parse reads a header that is not in the table, once and strictly (RFC 7515
// section 4.1). Parameters that would bring a key or an address are refused
// rather than ignored; so are crit, for no extension is supported, and the
// content type of a nested token (RFC 7519 section 5.2).
func (r *Ring) parse(segment string) (header, error) {
	text, err := canonical.DecodeString(segment)
	if err != nil {
		return header{}, ErrMalformed
	}
	var alg, kid, typ string
	var hasAlg, hasKid bool
	err = strictjson.Object(string(text), func(name, value string) error {
		var ok = true
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
			ok = ok && typ != "" // which would pass for absent
		case "crit", "b64", "jwk", "jku", "x5u", "x5c", "cty", "enc", "zip":
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
	key := r.byAlg[alg] // a header without kid speaks of the one key there is
	if hasKid {
		key = r.byID[kid]
	}
	if key == nil {
		return header{}, ErrUnknownKey
	}
	if key.Algorithm() != alg {
		return header{}, ErrHeader
	}
	return header{key, typ}, nil
}

// MediaType returns typ as it is compared: "application/" may be left out (RFC
// 7515 section 4.1.9) and A-Z are a-z. More folding would make one type of
// several texts.
func MediaType(typ string) string {
	return strings.TrimPrefix(strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, typ), "application/")
}

// HeaderSegment returns the protected header of tokens signed by key, encoded.
func HeaderSegment(key *Key, typ string) string {
	text := append([]byte(`{"alg":"`), key.Algorithm()...)
	text = append(text, `","kid":`...)
	text, _ = strictjson.AppendText(text, key.ID()) // valid UTF-8 since the key was made
	text = append(text, `,"typ":"`...)
	text = append(text, typ...)
	return canonical.EncodeToString(append(text, `"}`...))
}
