package auth

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/seed-e36e2130/auth/internal/jose"
)

// maxKeyFile bounds a key file in bytes.
const maxKeyFile = 1 << 20

// LoadKeyFile returns the key in a file that [ParseKey] can read.
//
// A file that group or others can write, or can read although its key signs, is
// refused with a [ConfigError] (CWE-732); where the platform itself hands keys out
// with other modes, read the file and call ParseKey. Windows has no such modes and
// the check is left out there. What the file system answers comes wrapped: a
// missing file is [fs.ErrNotExist].
func LoadKeyFile(path string) (Key, error) {
	text, mode, err := readKeyFile(path)
	if err != nil {
		return Key{}, err
	}
	k, err := jose.Parse(text)
	if err != nil {
		return Key{}, &ConfigError{Field: "key file", Value: path, Reason: err.Error()}
	}
	if err := checkMode(path, mode, k); err != nil {
		return Key{}, err
	}
	return Key{k}, nil
}

// LoadKeySetFile returns the keys in a file that [ParseKeySet] can read. What
// [LoadKeyFile] says of modes and errors holds here.
func LoadKeySetFile(path string) ([]Key, error) {
	text, mode, err := readKeyFile(path)
	if err != nil {
		return nil, err
	}
	keys, err := parseSet(text)
	if err != nil {
		return nil, &ConfigError{Field: "key file", Value: path, Reason: err.Error()}
	}
	if err := checkMode(path, mode, keys...); err != nil {
		return nil, err
	}
	return wrapKeys(keys), nil
}

// OpenKeyFile returns the key in a file, as [LoadKeyFile] does, and makes the file
// (mode 0600, a JWK) with a new key for alg if there is none. Of programs that
// start at once one makes the key and all get it. It returns a [ConfigError] if the
// file holds a key that is not for alg or cannot sign.
func OpenKeyFile(path, alg string) (Key, error) {
	k, err := LoadKeyFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := createKeyFile(path, alg); err != nil && !errors.Is(err, fs.ErrExist) {
			return Key{}, err
		}
		k, err = LoadKeyFile(path)
	}
	switch {
	case err != nil:
		return Key{}, err
	case k.Algorithm() != alg:
		return Key{}, &ConfigError{Field: "OpenKeyFile", Value: path, Reason: fmt.Sprintf("holds a key for %s, not for %.40q", k.Algorithm(), alg)}
	case !k.CanSign():
		return Key{}, &ConfigError{Field: "OpenKeyFile", Value: path, Reason: "holds a key that cannot sign"}
	}
	return k, nil
}

// createKeyFile makes the file whole or not at all: it appears under its name by a
// link, which fails if the name is taken, when its content is on the disk.
func createKeyFile(path, alg string) (err error) {
	k, err := GenerateKey(alg)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("auth: key file: %w", err)
		}
	}()
	text, err := k.jose.PrivateJWK()
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
		d.Sync() // not every file system can; without it a crash now costs a new key
		d.Close()
	}
	return nil
}

func readKeyFile(path string) (text []byte, mode fs.FileMode, err error) {
	fail := func(err error) ([]byte, fs.FileMode, error) {
		return nil, 0, fmt.Errorf("auth: key file: %w", err)
	}
	info, err := os.Stat(path) // before it is opened: a FIFO would block
	if err != nil {
		return fail(err)
	}
	if !info.Mode().IsRegular() {
		return nil, 0, &ConfigError{Field: "key file", Value: path, Reason: "is not a regular file"}
	}
	f, err := os.Open(path)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return fail(err)
	}
	text, err = io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return fail(err)
	}
	if len(text) > maxKeyFile {
		return nil, 0, &ConfigError{Field: "key file", Value: path, Reason: fmt.Sprintf("is larger than %d bytes", maxKeyFile)}
	}
	return text, info.Mode(), nil
}

// checkMode returns a [ConfigError] if others could have changed the keys, or could
// have read what signs.
func checkMode(path string, mode fs.FileMode, keys ...*jose.Key) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	forbidden := fs.FileMode(0o022)
	for _, k := range keys {
		if k.CanSign() || k.Symmetric() {
			forbidden = 0o077
		}
	}
	if mode&forbidden != 0 {
		return &ConfigError{Field: "key file", Value: path, Reason: fmt.Sprintf("mode %04o lets group or others at it: chmod 600", mode.Perm())}
	}
	return nil
}
