package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/secrets"
)

func newKey(_ context.Context, c *command, args []string) error {
	path, err := oneArgument(args, "file")
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already: a key file is not overwritten", path)
	}
	if c.refresh {
		key, err := secrets.OpenFile(path)
		if err != nil {
			return err
		}
		return c.done(path + " holds the key " + key.ID())
	}
	key, err := jwt.OpenKeyFile(path, c.alg)
	if err != nil {
		return err
	}
	return c.done(path + " holds the key " + key.ID())
}

// jwk is a JWK by its members. Those that are not known are passed over by who reads it (RFC 7517
// section 4).
type jwk map[string]json.RawMessage

// nextMember marks a key that was added, until it signs.
const nextMember = "next"

// keyFile is a file of JWKs: one, or a set.
type keyFile struct {
	path string
	jwks []jwk
}

func readKeyFile(path string) (*keyFile, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var set struct {
		Keys []jwk `json:"keys"`
	}
	var one jwk
	if json.Unmarshal(text, &set) != nil || json.Unmarshal(text, &one) != nil {
		return nil, fmt.Errorf("%s holds no JWK and no JWK set: rotate by hand what is in another form", path)
	}
	if one["keys"] == nil {
		set.Keys = []jwk{one}
	}
	return &keyFile{path, set.Keys}, nil
}

// keys returns the keys of the file, as a server would read it.
func (f *keyFile) keys() (keys []jwt.Key, err error) {
	for _, jwk := range f.jwks {
		text, err := json.Marshal(jwk)
		if err != nil {
			return nil, err
		}
		key, err := jwt.ParseKey(text)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s holds no key", f.path)
	}
	_, err = jwt.NewKeyRing(keys[0], keys[1:]...)
	return keys, err
}

// write puts the keys in the place of the file, in one step, with its mode 0600.
func (f *keyFile) write() error {
	if _, err := f.keys(); err != nil {
		return err
	}
	text, err := json.Marshal(struct {
		Keys []jwk `json:"keys"`
	}{f.jwks})
	if err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(f.path), ".auth-key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(next.Name()) // it is gone if it was renamed
	_, err = next.Write(append(text, '\n'))
	if err = errors.Join(err, next.Sync(), next.Close()); err != nil {
		return err
	}
	return os.Rename(next.Name(), f.path)
}

// generated returns a new key as a JWK.
func generated(alg string) (jwk, error) {
	dir, err := os.MkdirTemp("", "auth-key-*") // mode 0700
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "key")
	if _, err := jwt.OpenKeyFile(path, alg); err != nil {
		return nil, err
	}
	f, err := readKeyFile(path)
	if err != nil {
		return nil, err
	}
	return f.jwks[0], nil
}

func rotateKeys(ctx context.Context, c *command, args []string) error {
	if len(args) != 2 {
		return usageError("want a file, and add, sign or drop")
	}
	f, err := readKeyFile(args[0])
	if err != nil {
		return err
	}
	last := len(f.jwks) - 1
	added := last > 0 && f.jwks[last][nextMember] != nil
	switch step := args[1]; {
	case step == "add" && added:
		return fmt.Errorf("the last key of %s waits to sign: the next step is sign", f.path)
	case step == "add":
		jwk, err := generated(c.alg)
		if err != nil {
			return err
		}
		jwk[nextMember] = json.RawMessage("true")
		f.jwks = append(f.jwks, jwk)
	case step == "sign" && added:
		next := f.jwks[last]
		delete(next, nextMember)
		f.jwks = append([]jwk{next}, f.jwks[:last]...)
	case step == "sign":
		return fmt.Errorf("no key of %s waits to sign: the first step is add", f.path)
	case step == "drop" && added:
		return fmt.Errorf("the last key of %s waits to sign: the next step is sign", f.path)
	case step == "drop" && last > 0:
		f.jwks = f.jwks[:1]
	case step == "drop":
		return fmt.Errorf("%s holds one key: there is none to drop", f.path)
	default:
		return usagef("%q is none of add, sign and drop", step)
	}
	if err := f.write(); err != nil {
		return err
	}
	return showKeys(ctx, c, args[:1])
}

func showKeys(_ context.Context, c *command, args []string) error {
	path, err := oneArgument(args, "file")
	if err != nil {
		return err
	}
	f, err := readKeyFile(path)
	if err != nil {
		return err
	}
	keys, err := f.keys()
	if err != nil {
		return err
	}
	t := c.table()
	for i, key := range keys {
		if err := t.add(object{{"id", key.ID()}, {"algorithm", key.Algorithm()}, {"signs", i == 0}}); err != nil {
			return err
		}
	}
	return t.flush()
}
