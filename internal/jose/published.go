package jose

import (
	"bytes"
	"strings"
	"sync"
)

// published holds secrets from documentation that programs copy (CWE-798). A secret that is another
// spelling of one of them, or a part of it, is refused as well: see isPublished. Each sample of a
// tutorial stands in at least ten public repositories.
var published = []string{
	"a-string-secret-at-least-256-bits-long",                                                               // jwt.io, HS256
	"a-valid-string-secret-that-is-at-least-384-bits-long",                                                 // jwt.io, HS384
	"a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",                              // jwt.io, HS512
	"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",               // RFC 7515 appendix A.1
	"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg",                                                          // RFC 7520 section 3.5
	"AAPapAv4LbFbiVawEjagUBluYqN5rhna-8nuldDvOx8",                                                          // RFC 7520 section 3.6
	"super-secret-jwt-token-with-at-least-32-characters-long",                                              // Supabase, local development
	"your-super-secret-jwt-token-with-at-least-32-characters-long",                                         // Supabase, self-hosting
	"3EK6FD+o0+c7tzBNVfjpMkNDi2yARAAKzQlk8O2IKoxQu4nF7EdAh8s3TwpHwrdWT6R",                                  // Hasura
	"reallyreallyreallyreallyverysafe",                                                                     // PostgREST's tutorial
	"255d861b-5ea1-5996-9aa3-922530ec40b1",                                                                 // Directus, KEY
	"6116487b-cda1-52c2-b5b5-c8022c45e263",                                                                 // Directus, SECRET
	"sk-9f73s3ljTXVcMT3Blb3ljTqtsKiGHXVcMT3BlbkFJLK7U",                                                     // Dify
	"16f8c0ef4a5d391b26034086c628469d3f9f497f08163ab9b40137092f2909ef",                                     // LibreChat, JWT_SECRET
	"eaa5191f2914e30b9387fd84e254e4ba6fc51b4654968a9b0803b456a54b8418",                                     // LibreChat, JWT_REFRESH_SECRET
	"60gp0byfz2dvffa45cxl20p1scy9xbpf6d8c5y0geejgkyp1b5",                                                   // Plane
	"SecretKey012345678901234567890123456789012345678901234567890123456789",                                // Nacos
	"DO NOT USE THIS VALUE. INSTEAD, CREATE A COMPLEX SECRET AND KEEP IT SAFE OUTSIDE OF THE SOURCE CODE.", // NestJS
	"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",                                     // FastAPI's tutorial
	"GQDstcKsx0NHjPOuXOYg5MbeJ1XT0uFiwDVvVBrk",                                                             // jwt-dotnet's README
	"404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",                                     // tutorials for Spring Boot
	"5367566B59703373367639792F423F4528482B4D6251655468576D5A71347437",
	"413F4428472B4B6250655368566D5970337336763979244226452948404D6351",
	"357638792F423F4428472B4B6250655368566D597133743677397A2443264629",
	"586E3272357538782F413F4428472B4B6250655368566B597033733676397924",
	"3cfa76ef14937c1c0ea519f8fc057a80fcd04a7420f8e8bcd0a7567c272e007b",
	"9a4f2c8d3b7a1e6f45c8a0b3f267d8b1d4e6f3c8a9d2b5f8e3a9c8b5f6v8a3d9",
	"TaK+HaV^uvCHEFsEVfypW#7g9^k*Z8$V",
	"======================BezKoder=Spring===========================",
	"afafasfafafasfasfasfafacasdasfasxASFACASDFACASDFASFASFDAFASFASDAADSCSDFADCVSGCFVADXCcadwavfsfarvf",
	"THIS IS USED TO SIGN AND VERIFY JWT TOKENS, REPLACE IT WITH YOUR OWN SECRET, IT CAN BE ANY STRING", // tutorials for ASP.NET
	"this is my custom Secret key for authnetication",
	"JWTAuthenticationHIGHsecuredPasswordVVVp1OH7Xzyr",
	"Yh2k7QSu4l8CZg5p6X3Pna9L0Miy4D3Bvt0JVr87UcOj69Kqw5R2Nmf4FWs03Hdx",
}

// isPublished reports whether the secret is a published one: in whole or repeated, in another
// encoding, or as a part that is at least as long as the hash.
func isPublished(secret []byte, size int) bool {
	known := publishedReadings()
	for _, reading := range readings(secret, 2) {
		for _, unit := range [][]byte{reading, trimmed(reading[:period(reading)])} {
			for _, p := range known {
				if bytes.Equal(p, unit) || len(unit) >= size && bytes.Contains(p, unit) {
					return true
				}
			}
		}
	}
	return false
}

// publishedReadings returns the published secrets, as texts and decoded.
var publishedReadings = sync.OnceValue(func() (all [][]byte) {
	for _, p := range published {
		all = append(all, []byte(p))
		all = append(all, decodedText([]byte(p))...)
	}
	return all
})

// period returns the length of the shortest block that text repeats, the last time perhaps in part.
func period(text []byte) int {
	for n := 1; n < len(text); n++ {
		if bytes.Equal(text[n:], text[:len(text)-n]) {
			return n
		}
	}
	return len(text)
}

// sampleWords are the words that placeholders for a secret are made of, as in
// "your-jwt-secret-key-change-this-in-production".
var sampleWords = strings.Fields(`
	a an the this that it is its be am are was will can could should must may need needs i you me my your our own
	any some one new old very really super ultra mega extra long longer short strong stronger big great good better
	best enough only just more than at least most minimum min maximum max of to in on for with without from by as
	and or not no never do dont use used using keep kept set put get make made created create generate generated
	generator change changed changeit changing replace replaced update updated before after here there now later
	later please todo fixme insert enter type provide add your secret secrets secretkey key keys jwt jwts json web
	token tokens bearer password passwords passphrase pass word phrase pin salt pepper hash hashing hmac sha sha hs
	rs es algorithm alg encryption encrypt crypto cryptographic sign signed signing signature verify verification
	validate validation auth authn authz authentication authenticate authorization oauth login user users admin
	client server service services api app apps application backend frontend web site website project company
	access refresh session sessions cookie cookies private public shared common internal global master main root
	default defaults dev devel develop development developer prod production productive staging stage test tests
	testing tester unit integration local localhost demo demos sample example examples placeholder dummy fake mock
	temp temporary temporarily fallback env environment config configuration configure deployment deploy value
	values string strings text random randomly randomized complex simple basic custom character characters char
	chars symbol symbols letter letters digit digits number numbers bit bits byte bytes base hex safe safely safety
	secure secured securely security insecure unsafe hidden confidential
	`)

var sampleWord = sync.OnceValue(func() map[string]bool {
	words := make(map[string]bool, len(sampleWords))
	for _, word := range sampleWords {
		words[word] = true
	}
	return words
})

// madeOfWords reports whether the secret, or what it decodes to, is a placeholder: a text whose
// letters make up sampleWords alone, with a word for a secret among them, and whose digits are few or
// in sequence. What is random is neither.
func madeOfWords(secret []byte) bool {
	for _, reading := range readings(secret, 1) {
		if isPlaceholder(strings.ToLower(string(reading))) {
			return true
		}
	}
	return false
}

func isPlaceholder(text string) bool {
	if !isASCII([]byte(text)) || !containsAny(text, "secret", "key", "password", "token", "jwt") {
		return false
	}
	digits, others := 0, 0 // digits that do not follow the one before
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', i > 0 && isDigit(text[i-1]) && c == '0'+(text[i-1]-'0'+1)%10:
		case isDigit(c):
			digits++
		default:
			others++
		}
	}
	if digits > maxDigits || 2*others > len(text) {
		return false
	}
	for _, letters := range strings.FieldsFunc(text, func(r rune) bool { return r < 'a' || r > 'z' }) {
		if !splits(letters) {
			return false
		}
	}
	return true
}

// maxDigits are as many digits as numbers such as 256 and 2026 have. Random digits are more.
const maxDigits = 12

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func containsAny(text string, words ...string) bool {
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// splits reports whether letters can be split into sampleWords.
func splits(letters string) bool {
	words := sampleWord()
	ends := make([]bool, len(letters)+1) // whether words end there
	ends[0] = true
	for end := 1; end <= len(letters); end++ {
		for begin := max(0, end-maxWord); begin < end && !ends[end]; begin++ {
			ends[end] = ends[begin] && words[letters[begin:end]]
		}
	}
	return ends[len(letters)]
}

const maxWord = 16 // letters of the longest of sampleWords
