package throttle

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-e36e2130/auth"
)

const deviceTokenLength = 32

// newDeviceToken returns 160 random bits as text.
func newDeviceToken() auth.DeviceToken {
	return auth.DeviceToken(rand.Text() + rand.Text()[:deviceTokenLength-26])
}

// A device that an account has logged in from has a record of its own, under a digest of both. So what
// it takes to look for a token that nobody has does not depend on the account. The list of the devices
// of an account is a further record, for logins alone: it bounds how many there are. See decision 0039.

// maxDevices is how many devices one account knows, so that its list has at most 2,624 bytes, however
// often a client logs in without its device token.
const maxDevices = 64

const deviceSize = sha256.Size + 9

// device is an entry of the list.
type device struct {
	digest   [sha256.Size]byte // of the account and the device token
	login    int64             // time of its last login that was noted, in microseconds since 1970
	returned bool              // it has logged in again with its token
}

func digestOf(a auth.Attempt) [sha256.Size]byte { return digest(a.Username, string(a.Device.Known)) }

func deviceKey(d [sha256.Size]byte) string { return keyOf("device", d) }

// knownKey returns the key of the failures from a known device, at the account or a target.
func knownKey(kind, name string, d [sha256.Size]byte) string {
	return key(kind+"known", name, string(d[:]))
}

// decodeDevices returns the list that encodeDevices wrote, without devices that are unknown again at now.
func (t *Throttle) decodeDevices(b []byte, now time.Time) (list []device) {
	if len(b)%deviceSize != 0 {
		return nil
	}
	for ; len(b) > 0; b = b[deviceSize:] {
		d := device{
			digest:   [sha256.Size]byte(b[:sha256.Size]),
			login:    int64(binary.BigEndian.Uint64(b[sha256.Size:])),
			returned: b[deviceSize-1] != 0,
		}
		if d.login > now.Add(-t.deviceLifetime).UnixMicro() {
			list = append(list, d)
		}
	}
	return list
}

func encodeDevices(list []device) []byte {
	b := make([]byte, 0, deviceSize*len(list))
	for _, d := range list {
		b = append(b, d.digest[:]...)
		b = binary.BigEndian.AppendUint64(b, uint64(d.login))
		b = append(b, flag(d.returned))
	}
	return b
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// isKnown reports whether the account has logged in from the device before.
func (t *Throttle) isKnown(ctx context.Context, a auth.Attempt) (bool, error) {
	if len(a.Device.Known) != deviceTokenLength {
		return false, nil
	}
	r, _, err := t.records.store.Record(ctx, deviceKey(digestOf(a)))
	if err != nil {
		return false, fmt.Errorf("throttle: %w", err)
	}
	return r.Version != 0, nil
}

// remember records the device of an attempt as known for DeviceLifetime from now. It writes only if the
// device is new, or has come back for the first time, or if a tenth of that time has passed since the
// last write. It returns the token of the device, or "" if it stays unknown because there are very many
// concurrent logins of the account.
func (t *Throttle) remember(ctx context.Context, a auth.Attempt) (auth.DeviceToken, error) {
	d := device{digest: digestOf(a)}
	var forgotten []device
	var written time.Time
	err := t.records.change(ctx, key("devices", a.Username), func(value []byte, now time.Time) ([]byte, time.Time, bool) {
		list := t.decodeDevices(value, now)
		d.login, d.returned, forgotten, written = now.UnixMicro(), false, nil, time.Time{}
		if i := slices.IndexFunc(list, func(e device) bool { return e.digest == d.digest }); i >= 0 {
			if list[i].returned && time.UnixMicro(list[i].login).After(now.Add(-t.deviceLifetime/10)) {
				return nil, time.Time{}, false
			}
			d.returned = true
			list = slices.Delete(list, i, i+1)
		}
		// Each login from a new device must not make the account forget those that come back.
		for len(list) >= maxDevices {
			least := slices.MinFunc(list, func(a, b device) int {
				return cmp.Or(cmp.Compare(flag(a.returned), flag(b.returned)), cmp.Compare(a.login, b.login))
			})
			forgotten = append(forgotten, least)
			list = slices.DeleteFunc(list, func(e device) bool { return e.digest == least.digest })
		}
		written = now
		return encodeDevices(append(list, d)), now.Add(t.deviceLifetime).UTC(), true
	})
	if err == errContended {
		return "", nil
	}
	if err != nil || written.IsZero() {
		return a.Device.Known, err
	}
	for _, f := range forgotten {
		err = errors.Join(err, t.records.change(ctx, deviceKey(f.digest), remove))
	}
	return a.Device.Known, errors.Join(err, t.records.change(ctx, deviceKey(d.digest), func([]byte, time.Time) ([]byte, time.Time, bool) {
		return []byte{}, written.Add(t.deviceLifetime).UTC(), true
	}))
}
