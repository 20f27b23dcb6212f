package authkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/secrets"
)

// keysRecord is the key of the record that says which keys the stores are used with.
const keysRecord = "authkit-keys"

// keyIDs are the IDs of keys, which are no secrets. Empty: there is no such key yet.
type keyIDs struct {
	Signing string `json:"signing"` // of access tokens
	Refresh string `json:"refresh"` // of refresh tokens
}

// openKeys reads or creates the keys. They must be those that the stores were used with: of a rotation,
// the key before is still among them.
func (cfg *Config) openKeys(ctx context.Context, records auth.RecordStore) error {
	if records == nil {
		return cfg.readFolder(keyIDs{})
	}
	used, r, err := usedKeys(ctx, records)
	if err != nil {
		return err
	}
	if cfg.NewKeys {
		used = keyIDs{}
	}
	if err := cfg.readFolder(used); err != nil {
		return err
	}
	return cfg.record(ctx, records, used, r)
}

// record compares the keys with those that were used, and records them.
func (cfg *Config) record(ctx context.Context, records auth.RecordStore, used keyIDs, r auth.Record) error {
	current, err := cfg.compare(used)
	if err != nil || current == used {
		return err
	}
	if r.Value, err = json.Marshal(current); err != nil {
		return err
	}
	r.Key = keysRecord
	err = records.ReplaceRecord(ctx, r.Renew(), r)
	if !errors.Is(err, auth.ErrConflict) {
		return err
	}
	// Another replica started at the same time.
	if used, _, err = usedKeys(ctx, records); err == nil {
		_, err = cfg.compare(used)
	}
	return err
}

// usedKeys returns the keys that the stores are used with, and the record that says so.
func usedKeys(ctx context.Context, records auth.RecordStore) (used keyIDs, r auth.Record, err error) {
	r, _, err = records.Record(ctx, keysRecord)
	if err == nil && r.Version != 0 {
		err = json.Unmarshal(r.Value, &used)
	}
	return used, r, err
}

// readFolder sets Keys and Secrets from the files of KeyFolder, if it is given. It creates a file that is
// missing, unless such a key was used before.
func (cfg *Config) readFolder(used keyIDs) error {
	if cfg.KeyFolder == "" {
		return nil
	}
	signing, refresh := filepath.Join(cfg.KeyFolder, "auth.key"), filepath.Join(cfg.KeyFolder, "refresh.key")
	var faults cfgerr.Faults
	for _, file := range []struct{ path, used string }{{signing, used.Signing}, {refresh, used.Refresh}} {
		if _, err := os.Stat(file.path); errors.Is(err, fs.ErrNotExist) && file.used != "" {
			faults.Add("authkit.Config.KeyFolder", file.path, fmt.Sprintf("is missing, and the stores were used with its key %s: "+
				"copy the file from where they were, or set NewKeys for one start, which ends all sessions", file.used))
		}
	}
	if err := faults.Err(); err != nil {
		return err
	}
	if err := os.MkdirAll(cfg.KeyFolder, 0o700); err != nil {
		return fmt.Errorf("authkit: create the folder of the keys: %w", err)
	}
	keys, err := readKeys(signing)
	if errors.Is(err, fs.ErrNotExist) {
		keys = make([]jwt.Key, 1)
		keys[0], err = jwt.OpenKeyFile(signing, jwt.EdDSA)
	}
	if err != nil {
		return err
	}
	if cfg.Keys, err = jwt.NewKeyRing(keys[0], keys[1:]...); err != nil {
		return err
	}
	secret, err := secrets.OpenFile(refresh)
	if err != nil {
		return err
	}
	cfg.Secrets, err = secrets.NewRing(secret)
	return err
}

// readKeysAgain returns a function that puts the keys of the file in the place of those in use, if the
// file has changed. Keys that do not include the one that was used are refused, as at the start.
func (cfg *Config) readKeysAgain(records auth.RecordStore) func(context.Context) error {
	path, ring := filepath.Join(cfg.KeyFolder, "auth.key"), cfg.Keys
	return func(ctx context.Context) error {
		keys, err := readKeys(path)
		if err != nil {
			return err
		}
		next, err := jwt.NewKeyRing(keys[0], keys[1:]...)
		if err != nil || slices.Equal(next.IDs(), ring.IDs()) {
			return err
		}
		if records != nil {
			used, r, err := usedKeys(ctx, records)
			if err != nil {
				return err
			}
			if err := (&Config{Keys: next}).record(ctx, records, used, r); err != nil {
				return err
			}
		}
		return ring.Replace(keys[0], keys[1:]...)
	}
}

// readKeys returns the keys of a file that holds one key or a JWK set.
func readKeys(path string) ([]jwt.Key, error) {
	if keys, err := jwt.LoadKeySetFile(path); err == nil {
		return keys, nil
	}
	key, err := jwt.LoadKeyFile(path)
	return []jwt.Key{key}, err
}

// compare returns the keys of cfg. It returns a fault for each key that was used and is not among them.
func (cfg *Config) compare(used keyIDs) (current keyIDs, err error) {
	faults := cfgerr.Faults{Prefix: "authkit.Config."}
	missing := func(field, id string) {
		faults.Add(field, "", fmt.Sprintf("does not hold %s, which the stores are used with: use the same keys in all replicas and at each start, "+
			"or set NewKeys for one start, which ends all sessions", id))
	}
	ids := cfg.Keys.IDs()
	if current.Signing = ids[0]; used.Signing != "" && !slices.Contains(ids, used.Signing) {
		missing("Keys", used.Signing)
	}
	if current.Refresh = used.Refresh; cfg.Secrets != nil {
		current.Refresh = cfg.Secrets.Current().ID()
		if _, found := cfg.Secrets.ByID(used.Refresh); used.Refresh != "" && !found {
			missing("Secrets", used.Refresh)
		}
	}
	return current, faults.Err()
}
