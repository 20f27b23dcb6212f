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

// Bounds of the fields of a session, in bytes. Those of package auth are the same or lower.
const (
	maxUserID    = 255
	maxUserAgent = 1024
	maxState     = 512
)

// layout is what a stored session begins with. User ID, user agent, IP and state follow, in this
// order.
type layout struct { // exported fields, as encoding/binary requires
	Version                       int64
	Write                         [8]byte // random, different for every write
	CreatedAt, LastUsedAt, Expiry int64   // in microseconds since 1970
	UserID, UserAgent, IP         uint16  // lengths
}

var layoutSize = binary.Size(layout{})

// version returns the first 8 bytes of a stored session or record that has this version.
func version(v int64) string {
	return string(binary.BigEndian.AppendUint64(nil, uint64(v)))
}

func checkUserID(id string) error {
	if len(id) > maxUserID {
		return fmt.Errorf("auth: redis store: the user ID has %d bytes, more than %d", len(id), maxUserID)
	}
	return nil
}

// encode returns a session as it is stored, without its ID.
func encode(session *auth.Session) (string, error) {
	if !isID(session.ID) {
		return "", errors.New("auth: redis store: a session ID must be 22 characters of base64url")
	}
	if err := checkUserID(session.UserID); err != nil {
		return "", err
	}
	if len(session.UserAgent) > maxUserAgent || len(session.State) > maxState {
		return "", fmt.Errorf("auth: redis store: session %s is too large", session.ID)
	}
	ip := session.IP.AsSlice()
	l := layout{
		Version: session.Version, UserID: uint16(len(session.UserID)), UserAgent: uint16(len(session.UserAgent)), IP: uint16(len(ip)),
		CreatedAt: session.CreatedAt.UnixMicro(), LastUsedAt: session.LastUsedAt.UnixMicro(), Expiry: session.ExpiresAt.UnixMicro(),
	}
	rand.Read(l.Write[:]) // never fails
	b, err := binary.Append(nil, binary.BigEndian, &l)
	if err != nil {
		return "", fmt.Errorf("auth: redis store: %w", err)
	}
	b = append(b, session.UserID...)
	b = append(b, session.UserAgent...)
	b = append(b, ip...)
	return string(append(b, session.State...)), nil
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
	session := auth.Session{
		ID: id, Version: l.Version, UserID: next(l.UserID),
		CreatedAt: toTime(l.CreatedAt), LastUsedAt: toTime(l.LastUsedAt), ExpiresAt: toTime(l.Expiry),
	}
	session.UserAgent = next(l.UserAgent)
	if ip := next(l.IP); ip != "" {
		var ok bool
		if session.IP, ok = netip.AddrFromSlice([]byte(ip)); !ok {
			return damaged()
		}
	}
	session.State = []byte(rest)
	return session, nil
}

func toTime(micros int64) time.Time { return time.UnixMicro(micros).UTC() }
