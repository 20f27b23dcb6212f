package oauth

import (
	"encoding/base64"
	"encoding/binary"
	"time"
)

var base64url = base64.RawURLEncoding

const sealHead, sealMAC = 16, 32

// seal returns a text that holds payload and that [Server.unseal] accepts for life, on every replica and
// after a restart. It can be read by whoever has it, but not be changed or made.
func (s *Server) seal(purpose string, life time.Duration, payload []byte) (string, error) {
	key := s.cfg.Secrets.Current()
	mark := key.Mark()
	b := append(make([]byte, 0, sealHead+len(payload)+sealMAC), mark[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(time.Now().Add(life).Unix()))
	b = append(b, payload...)
	mac, err := key.MAC(sealed(purpose, b))
	if err != nil {
		return "", err
	}
	return base64url.EncodeToString(append(b, mac[:]...)), nil
}

// unseal returns the payload of a text that seal made for the same purpose and that has not expired.
func (s *Server) unseal(purpose, text string) (payload []byte, ok bool) {
	b, err := base64url.DecodeString(text)
	if err != nil || len(b) < sealHead+sealMAC || base64url.EncodeToString(b) != text {
		return nil, false
	}
	body, mac := b[:len(b)-sealMAC], b[len(b)-sealMAC:]
	key, ok := s.cfg.Secrets.ByMark([8]byte(body[:8]))
	if !ok || !key.Verify(sealed(purpose, body), mac) {
		return nil, false
	}
	return body[sealHead:], time.Now().Unix() < int64(binary.BigEndian.Uint64(body[8:]))
}

func sealed(purpose string, body []byte) []byte {
	return append([]byte("auth oauth "+purpose+"\x00"), body...)
}
