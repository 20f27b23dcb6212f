package jwt

import "github.com/seed-e36e2130/auth/internal/keyfile"

// LoadKeyFile returns the key in a file that [ParseKey] can read.
//
// A file that group or others can write, or can read although its key signs, is refused with a
// [*cfgerr.Error] (CWE-732), as is a file that belongs neither to the user of the process nor to root.
// The group may read it (modes 0640 and 0440) if the process is in the group or owns the file, as with
// the secrets of Kubernetes where fsGroup is set. Where the platform itself hands keys out with other
// modes or owners, read the file and call ParseKey. Windows has no such modes, so there they are not
// checked. What the file system returns is wrapped: a missing file is [fs.ErrNotExist].
func LoadKeyFile(path string) (Key, error) {
	k, err := keyfile.Load(path)
	if err != nil {
		return Key{}, err
	}
	return Key{k}, nil
}

// LoadKeySetFile returns the keys in a file that [ParseKeySet] can read. What [LoadKeyFile] says of
// modes and errors holds here.
func LoadKeySetFile(path string) ([]Key, error) {
	keys, err := keyfile.LoadSet(path)
	if err != nil {
		return nil, err
	}
	return wrapKeys(keys), nil
}

// OpenKeyFile returns the key in a file, as [LoadKeyFile] does, and creates the file (mode 0600, a
// JWK) with a new key for alg if there is none. Of processes that start at once, one creates the key
// and all get it. It returns a [*cfgerr.Error] if the file holds a key that is not for alg or cannot
// sign.
func OpenKeyFile(path, alg string) (Key, error) {
	k, err := keyfile.Open(path, alg)
	if err != nil {
		return Key{}, err
	}
	return Key{k}, nil
}

// LoadKeyEnv returns the key in an environment variable that [ParseKey] can read. It returns a
// [*cfgerr.Error], which never holds the value, if the variable is not set or empty, and for each
// fault of ParseKey.
func LoadKeyEnv(name string) (Key, error) {
	k, err := keyfile.LoadEnv(name)
	if err != nil {
		return Key{}, err
	}
	return Key{k}, nil
}
