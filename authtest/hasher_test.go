package authtest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
)

func TestFastHasher(t *testing.T) {
	t.Parallel()
	authtest.TestHasher(t, func(t *testing.T) auth.Hasher { return authtest.FastHasher(t) })
}

// patchedHasher is a Hasher with some methods replaced; each gets the Hasher
// beneath.
type patchedHasher struct {
	auth.Hasher
	hash        func(h auth.Hasher, ctx context.Context, password string) (string, error)
	verify      func(h auth.Hasher, ctx context.Context, encoded, password string) error
	needsRehash func(h auth.Hasher, encoded string) bool
}

func (p patchedHasher) Hash(ctx context.Context, password string) (string, error) {
	if p.hash != nil {
		return p.hash(p.Hasher, ctx, password)
	}
	return p.Hasher.Hash(ctx, password)
}

func (p patchedHasher) Verify(ctx context.Context, encoded, password string) error {
	if p.verify != nil {
		return p.verify(p.Hasher, ctx, encoded, password)
	}
	return p.Hasher.Verify(ctx, encoded, password)
}

func (p patchedHasher) NeedsRehash(encoded string) bool {
	if p.needsRehash != nil {
		return p.needsRehash(p.Hasher, encoded)
	}
	return p.Hasher.NeedsRehash(encoded)
}

// seeing is a Hasher that sees of a password only what see makes of it.
func seeing(see func(string) string) patchedHasher {
	return patchedHasher{
		hash: func(h auth.Hasher, ctx context.Context, password string) (string, error) {
			return h.Hash(ctx, see(password))
		},
		verify: func(h auth.Hasher, ctx context.Context, encoded, password string) error {
			return h.Verify(ctx, encoded, see(password))
		},
	}
}

// reading is a Hasher that reads of a stored hash only what read makes of it.
func reading(read func(string) string) patchedHasher {
	return patchedHasher{verify: func(h auth.Hasher, ctx context.Context, encoded, password string) error {
		return h.Verify(ctx, read(encoded), password)
	}}
}

// verifying is a Hasher with another Verify.
func verifying(f func(h auth.Hasher, ctx context.Context, encoded, password string) error) patchedHasher {
	return patchedHasher{verify: f}
}

// oneHash keeps the first hash that it made of a password for the next time.
func oneHash() patchedHasher {
	var mu sync.Mutex
	made := make(map[string]string)
	return patchedHasher{hash: func(h auth.Hasher, ctx context.Context, password string) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if made[password] == "" {
			encoded, err := h.Hash(ctx, password)
			if err != nil {
				return "", err
			}
			made[password] = encoded
		}
		return made[password], nil
	}}
}

// sharedScratch hashes what a later caller left in its buffer.
func sharedScratch() patchedHasher {
	var mu sync.Mutex
	var buffer string
	return patchedHasher{hash: func(h auth.Hasher, ctx context.Context, password string) (string, error) {
		mu.Lock()
		buffer = password
		mu.Unlock()
		time.Sleep(2 * time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		return h.Hash(ctx, buffer)
	}}
}

var hasherMutants = map[string]map[string]func() patchedHasher{
	"Match": {
		"refuses what is not ASCII": func() patchedHasher {
			return patchedHasher{hash: func(h auth.Hasher, ctx context.Context, password string) (string, error) {
				if strings.Contains(password, "\U0001f600") {
					return "", errDown
				}
				return h.Hash(ctx, password)
			}}
		},
	},
	"Mismatch": {
		"folds case": func() patchedHasher { return seeing(strings.ToLower) },
		"trims":      func() patchedHasher { return seeing(func(s string) string { return strings.TrimRight(s, " ") }) },
		"takes the hash for the password": func() patchedHasher {
			return verifying(func(h auth.Hasher, ctx context.Context, encoded, password string) error {
				if encoded == password && strings.HasPrefix(encoded, "$authtest-unsafe$") {
					return nil
				}
				return h.Verify(ctx, encoded, password)
			})
		},
	},
	"Salt": {"has none": oneHash},
	"Long": {
		"cuts at 72 bytes": func() patchedHasher { return seeing(func(s string) string { return s[:min(len(s), 72)] }) },
		"cuts when it compares": func() patchedHasher {
			return verifying(func(h auth.Hasher, ctx context.Context, encoded, password string) error {
				return h.Verify(ctx, encoded, password[:min(len(password), 72)])
			})
		},
	},
	"NUL": {
		"ends passwords at it": func() patchedHasher {
			return seeing(func(s string) string { s, _, _ = strings.Cut(s, "\x00"); return s })
		},
	},
	"Unknown": {
		"takes plain text": func() patchedHasher {
			return verifying(func(h auth.Hasher, ctx context.Context, encoded, password string) error {
				if err := h.Verify(ctx, encoded, password); !errors.Is(err, auth.ErrUnknownHash) || encoded != password {
					return err
				}
				return nil
			})
		},
		"calls a mark a mismatch": func() patchedHasher {
			return verifying(func(h auth.Hasher, ctx context.Context, encoded, password string) error {
				if encoded == "!" {
					return auth.ErrMismatch
				}
				return h.Verify(ctx, encoded, password)
			})
		},
	},
	"Damaged": {
		"trims":          func() patchedHasher { return reading(strings.TrimSpace) },
		"drops the rest": func() patchedHasher { return reading(func(s string) string { return s[:min(len(s), len(fastHash))] }) },
		"compares the part that is there": func() patchedHasher {
			return verifying(func(h auth.Hasher, ctx context.Context, encoded, password string) error {
				if len(encoded) != len(fastHash)-1 {
					return h.Verify(ctx, encoded, password)
				}
				for _, digit := range "0123456789abcdef" {
					if h.Verify(ctx, encoded+string(digit), password) == nil {
						return nil
					}
				}
				return auth.ErrMismatch
			})
		},
	},
	"Altered": {
		"reads one digit less": func() patchedHasher {
			return verifying(func(h auth.Hasher, ctx context.Context, encoded, password string) error {
				if len(encoded) != len(fastHash) || encoded[len(encoded)-1] == '\n' {
					return h.Verify(ctx, encoded, password)
				}
				for _, digit := range "0123456789abcdef" {
					if h.Verify(ctx, encoded[:len(encoded)-1]+string(digit), password) == nil {
						return nil
					}
				}
				return h.Verify(ctx, encoded, password)
			})
		},
	},
	"Bounds": {
		"does what the hash says": func() patchedHasher {
			return verifying(func(h auth.Hasher, ctx context.Context, encoded, password string) error {
				if strings.HasPrefix(encoded, "$2a$31$") {
					<-ctx.Done() // sooner than the hash is computed
				}
				return h.Verify(ctx, encoded, password)
			})
		},
		"divides by what it says": func() patchedHasher {
			return verifying(func(h auth.Hasher, ctx context.Context, encoded, password string) error {
				if strings.Contains(encoded, "t=0") {
					panic("division by zero")
				}
				return h.Verify(ctx, encoded, password)
			})
		},
		"calls it a mismatch": func() patchedHasher {
			return verifying(func(h auth.Hasher, ctx context.Context, encoded, password string) error {
				if len(encoded) > 4096 {
					return auth.ErrMismatch
				}
				return h.Verify(ctx, encoded, password)
			})
		},
	},
	"NeedsRehash": {
		"always": func() patchedHasher {
			return patchedHasher{needsRehash: func(auth.Hasher, string) bool { return true }}
		},
		"never": func() patchedHasher {
			return patchedHasher{needsRehash: func(auth.Hasher, string) bool { return false }}
		},
	},
	"Context": {
		"a mismatch": func() patchedHasher {
			return verifying(func(h auth.Hasher, ctx context.Context, encoded, password string) error {
				if ctx.Err() != nil {
					return auth.ErrMismatch
				}
				return h.Verify(ctx, encoded, password)
			})
		},
		"a match": func() patchedHasher {
			return verifying(func(h auth.Hasher, ctx context.Context, encoded, password string) error {
				if ctx.Err() != nil {
					return nil
				}
				return h.Verify(ctx, encoded, password)
			})
		},
		"hides the cause": func() patchedHasher {
			return verifying(func(h auth.Hasher, ctx context.Context, encoded, password string) error {
				if ctx.Err() != nil {
					return errDown
				}
				return h.Verify(ctx, encoded, password)
			})
		},
		"half a hash": func() patchedHasher {
			return patchedHasher{hash: func(h auth.Hasher, ctx context.Context, password string) (string, error) {
				if err := ctx.Err(); err != nil {
					return "$authtest-unsafe$", err
				}
				return h.Hash(ctx, password)
			}}
		},
	},
	"Secrets": {
		"shows the stored hash": func() patchedHasher {
			return verifying(func(h auth.Hasher, ctx context.Context, encoded, password string) error {
				if err := h.Verify(ctx, encoded, password); err != nil {
					return fmt.Errorf("%w: %q", err, encoded)
				}
				return nil
			})
		},
		"shows the password": func() patchedHasher {
			return verifying(func(h auth.Hasher, ctx context.Context, encoded, password string) error {
				if err := h.Verify(ctx, encoded, password); err != nil {
					return fmt.Errorf("%w: %q", err, password)
				}
				return nil
			})
		},
	},
	"Concurrent": {"share a buffer": sharedScratch},
}

// fastHash is as long as every hash of FastHasher.
var fastHash = "$authtest-unsafe$" + strings.Repeat("0", 64) + "$" + strings.Repeat("0", 64)

func TestHasherMutants(t *testing.T) {
	t.Parallel()
	makers := make(map[string]map[string]func(*testing.T) auth.Hasher)
	for rule, mutants := range hasherMutants {
		makers[rule] = make(map[string]func(*testing.T) auth.Hasher)
		for name, mutant := range mutants {
			makers[rule][name] = func(t *testing.T) auth.Hasher {
				p := mutant()
				p.Hasher = authtest.FastHasher(t)
				return p
			}
		}
	}
	each(t, authtest.HasherRules(), makers, authtest.BrokenHasherRules)
}
