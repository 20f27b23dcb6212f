// Package keyfile reads keys from files and creates such files.
package keyfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/jose"
)

// maxBytes bounds a key file.
const maxBytes = 1 << 20

// Load returns the key in a file: see [jose.Parse]. It returns a [cfgerr.Error] if the file holds
// no such key, if it belongs to another user than that of the process and root, or if its mode lets
// others at it, and wraps what the file system returns.
func Load(path string) (*jose.Key, error) {
	text, info, err := read(path)
	if err != nil {
		return nil, err
	}
	key, err := jose.Parse(text)
	if err != nil {
		return nil, fault(path, err.Error())
	}
	if err := checkAccess(path, info, key); err != nil {
		return nil, err
	}
	return key, nil
}

// LoadEnv returns the key in an environment variable: see [jose.Parse]. It returns a [cfgerr.Error] if
// the variable is not set or holds no such key.
func LoadEnv(name string) (*jose.Key, error) {
	key, err := jose.Parse([]byte(os.Getenv(name)))
	switch {
	case os.Getenv(name) == "":
		err = errors.New("is not set, or empty")
	case err == nil:
		return key, nil
	}
	return nil, &cfgerr.Error{Field: "environment variable", Value: name, Reason: err.Error()}
}

// LoadSet returns the keys of the JWK set in a file, all or none. Its errors are those of [Load].
func LoadSet(path string) ([]*jose.Key, error) {
	text, info, err := read(path)
	if err != nil {
		return nil, err
	}
	keys, faults, err := jose.ParseSet(string(text))
	if err := errors.Join(append(faults, err)...); err != nil {
		return nil, fault(path, err.Error())
	}
	if err := checkAccess(path, info, keys...); err != nil {
		return nil, err
	}
	return keys, nil
}

// Open is [Load] for a key that signs with alg, and creates the file with a new key if there is
// none. Of processes that start at once, one creates the key and all get it. It returns a
// [cfgerr.Error] if the key in the file has another algorithm or cannot sign.
func Open(path, alg string) (*jose.Key, error) {
	key, err := Load(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(path, alg); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		key, err = Load(path)
	}
	switch {
	case err != nil:
		return nil, err
	case key.Algorithm() != alg:
		return nil, fault(path, fmt.Sprintf("holds a key for %s, not for %.40q", key.Algorithm(), alg))
	case !key.CanSign():
		return nil, fault(path, "holds a key that cannot sign, only verify")
	}
	return key, nil
}

func fault(path, reason string) error {
	return &cfgerr.Error{Field: "key file", Value: path, Reason: reason}
}

// create makes the whole file or none. The file gets its name by a link, which fails if the name
// is taken, once its content is on disk.
func create(path, alg string) (err error) {
	key, err := jose.Generate(alg)
	if err != nil {
		return &cfgerr.Error{Field: "key file", Value: path, Reason: err.Error()}
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("auth: key file: %w", err)
		}
	}()
	text, err := key.PrivateJWK()
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(text, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	if d, err := os.Open(dir); err == nil {
		d.Sync() // some file systems cannot; then a crash now costs a new key
		d.Close()
	}
	return nil
}

func read(path string) (text []byte, info fs.FileInfo, err error) {
	fail := func(err error) ([]byte, fs.FileInfo, error) {
		return nil, nil, fmt.Errorf("auth: key file: %w", err)
	}
	info, err = os.Stat(path) // before opening: opening a FIFO would block
	if err != nil {
		return fail(err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fault(path, "is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return fail(err)
	}
	text, err = io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return fail(err)
	}
	if len(text) > maxBytes {
		return nil, nil, fault(path, fmt.Sprintf("is larger than %d bytes", maxBytes))
	}
	return text, info, nil
}

// checkAccess returns a [cfgerr.Error] if another user could have changed the keys, or could have
// read a key that signs (CWE-732): as the owner of the file, or by its mode. See decision 0023.
func checkAccess(path string, info fs.FileInfo, keys ...*jose.Key) error {
	if runtime.GOOS == "windows" {
		return nil // there are no such modes
	}
	if err := checkOwner(path, info); err != nil {
		return err
	}
	forbidden := fs.FileMode(0o022)
	for _, k := range keys {
		if k.CanSign() || k.Symmetric() {
			forbidden = 0o077
		}
	}
	if forbidden&0o040 != 0 && groupMayRead(info) {
		forbidden &^= 0o040
	}
	if mode := info.Mode(); mode&forbidden != 0 {
		return fault(path, fmt.Sprintf("mode %04o gives group or others access; run chmod 600, or read the file and pass its bytes to jwt.ParseKey", mode.Perm()))
	}
	return nil
}
