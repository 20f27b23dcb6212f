package redisstore

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/seed-e36e2130/auth"
)

// Bounds of what a session is made of, in bytes. Those of package auth are lower
// or the same.
const (
	maxUserID    = 255
	maxUserAgent = 1024
	maxState     = 512
)

// layout is what a stored session begins with. User ID, user agent, IP and state
// follow, in this order.
type layout struct { // field names are encoding/binary's wish
	Version                       int64
	Write                         [8]byte // random: no two writes have the same
	CreatedAt, LastUsedAt, Expiry int64   // in microseconds since 1970
	UserID, UserAgent, IP         uint16  // their lengths
}

var layoutSize = binary.Size(layout{})

// version returns the first 8 bytes of a session that has it.
func version(v int64) string {
	return string(binary.BigEndian.AppendUint64(nil, uint64(v)))
}

func checkUserID(id string) error {
	if len(id) > maxUserID {
		return fmt.Errorf("auth: redis store: a user ID of %d bytes, more than %d", len(id), maxUserID)
	}
	return nil
}

// encode returns one as it is stored, all but its ID.
func encode(one *auth.Session) (string, error) {
	if !isID(one.ID) {
		return "", errors.New("auth: redis store: a session ID that is not 22 characters of base64url")
	}
	if err := checkUserID(one.UserID); err != nil {
		return "", err
	}
	if len(one.UserAgent) > maxUserAgent || len(one.State) > maxState {
		return "", fmt.Errorf("auth: redis store: session %s is too large", one.ID)
	}
	ip := one.IP.AsSlice()
	l := layout{
		Version: one.Version, CreatedAt: one.CreatedAt.UnixMicro(), LastUsedAt: one.LastUsedAt.UnixMicro(), Expiry: one.ExpiresAt.UnixMicro(),
		UserID: uint16(len(one.UserID)), UserAgent: uint16(len(one.UserAgent)), IP: uint16(len(ip)),
	}
	rand.Read(l.Write[:]) // never fails: crypto/rand
	b, err := binary.Append(nil, binary.BigEndian, &l)
	if err != nil {
		return "", fmt.Errorf("auth: redis store: %w", err)
	}
	b = append(b, one.UserID...)
	b = append(b, one.UserAgent...)
	b = append(b, ip...)
	return string(append(b, one.State...)), nil
}

// decode returns the session that is stored as value.
func decode(id, value string) (auth.Session, error) {
	damaged := func() (auth.Session, error) {
		return auth.Session{}, fmt.Errorf("auth: redis store: session %s is damaged", id)
	}
	var l layout
	if len(value) < layoutSize {
		return damaged()
	}
	if _, err := binary.Decode([]byte(value[:layoutSize]), binary.BigEndian, &l); err != nil {
		return damaged()
	}
	rest := value[layoutSize:]
	if len(rest) < int(l.UserID)+int(l.UserAgent)+int(l.IP) {
		return damaged()
	}
	next := func(n uint16) (text string) {
		text, rest = rest[:n], rest[n:]
		return text
	}
	one := auth.Session{
		ID: id, Version: l.Version, UserID: next(l.UserID),
		CreatedAt: toTime(l.CreatedAt), LastUsedAt: toTime(l.LastUsedAt), ExpiresAt: toTime(l.Expiry),
	}
	one.UserAgent = next(l.UserAgent)
	if ip := next(l.IP); ip != "" {
		var ok bool
		if one.IP, ok = netip.AddrFromSlice([]byte(ip)); !ok {
			return damaged()
		}
	}
	one.State = []byte(rest)
	return one, nil
}

func toTime(micros int64) time.Time { return time.UnixMicro(micros).UTC() }
