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

// patchedHasher is a Hasher with some methods replaced. Each replacement gets the original Hasher.
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

// seeing returns a Hasher that changes each password with see.
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

// reading returns a Hasher that changes each stored hash with read.
func reading(read func(string) string) patchedHasher {
	return patchedHasher{verify: func(h auth.Hasher, ctx context.Context, encoded, password string) error {
		return h.Verify(ctx, read(encoded), password)
	}}
}

// verifying returns a Hasher with another Verify.
func verifying(f func(h auth.Hasher, ctx context.Context, encoded, password string) error) patchedHasher {
	return patchedHasher{verify: f}
}

// oneHash returns a Hasher that makes one hash of each password and returns it again.
func oneHash() patchedHasher {
	var mu sync.Mutex
	hashes := make(map[string]string)
	return patchedHasher{hash: func(h auth.Hasher, ctx context.Context, password string) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if hashes[password] == "" {
			encoded, err := h.Hash(ctx, password)
			if err != nil {
				return "", err
			}
			hashes[password] = encoded
		}
		return hashes[password], nil
	}}
}

// sharedScratch returns a Hasher whose concurrent calls share a buffer for the password.
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

// hasherMutants has Hashers that each break one rule, by the name of the rule.
var hasherMutants = map[string]map[string]func() patchedHasher{
	"Match": {
		"refuses emoji": func() patchedHasher {
			return patchedHasher{hash: func(h auth.Hasher, ctx context.Context, password string) (string, error) {
				if strings.Contains(password, "\U0001f600") {
					return "", errDown
				}
				return h.Hash(ctx, password)
			}}
		},
	},
	"Mismatch": {
		"folds case":   func() patchedHasher { return seeing(strings.ToLower) },
		"trims spaces": func() patchedHasher { return seeing(func(s string) string { return strings.TrimRight(s, " ") }) },
		"accepts the hash as the password": func() patchedHasher {
			return verifying(func(h auth.Hasher, ctx context.Context, encoded, password string) error {
				if encoded == password && strings.HasPrefix(encoded, "$authtest-unsafe$") {
					return nil
				}
				return h.Verify(ctx, encoded, password)
			})
		},
	},
	"Salt": {"is missing": oneHash},
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
		"accepts plain text": func() patchedHasher {
			return verifying(func(h auth.Hasher, ctx context.Context, encoded, password string) error {
				if err := h.Verify(ctx, encoded, password); !errors.Is(err, auth.ErrUnknownHash) || encoded != password {
					return err
				}
				return nil
			})
		},
		"returns ErrMismatch for a mark": func() patchedHasher {
			return verifying(func(h auth.Hasher, ctx context.Context, encoded, password string) error {
				if encoded == "!" {
					return auth.ErrMismatch
				}
				return h.Verify(ctx, encoded, password)
			})
		},
	},
	"Damaged": {
		"trims":                       func() patchedHasher { return reading(strings.TrimSpace) },
		"ignores text after the hash": func() patchedHasher { return reading(func(s string) string { return s[:min(len(s), len(fastHash))] }) },
		"compares a prefix of the digest": func() patchedHasher {
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
		"ignores the last digit": func() patchedHasher {
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
		"computes any cost": func() patchedHasher {
			return verifying(func(h auth.Hasher, ctx context.Context, encoded, password string) error {
				if strings.HasPrefix(encoded, "$2a$31$") {
					<-ctx.Done() // stands for a computation that takes longer
				}
				return h.Verify(ctx, encoded, password)
			})
		},
		"divides by a parameter of 0": func() patchedHasher {
			return verifying(func(h auth.Hasher, ctx context.Context, encoded, password string) error {
				if strings.Contains(encoded, "t=0") {
					panic("division by zero")
				}
				return h.Verify(ctx, encoded, password)
			})
		},
		"returns ErrMismatch": func() patchedHasher {
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
		"returns ErrMismatch": func() patchedHasher {
			return verifying(func(h auth.Hasher, ctx context.Context, encoded, password string) error {
				if ctx.Err() != nil {
					return auth.ErrMismatch
				}
				return h.Verify(ctx, encoded, password)
			})
		},
		"returns nil": func() patchedHasher {
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
		"returns a part of a hash": func() patchedHasher {
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

// fastHash has the length of every hash of FastHasher.
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
