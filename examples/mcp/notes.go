package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"

	"github.com/seed-e36e2130/auth"
)

const (
	keptNotes = 8   // the newest notes of a user, in one record
	noteBytes = 400 // of each
)

// notesKey names the record of a user's notes. It belongs to the user, so it goes when the account is deleted.
func notesKey(p *auth.Principal) string {
	sum := sha256.Sum256([]byte(p.Issuer() + " " + p.Subject())) // a subject may have any characters
	return "example-notes/" + hex.EncodeToString(sum[:])
}

func (s *server) notesOf(ctx context.Context, p *auth.Principal) ([]string, error) {
	notes, _, err := s.readNotes(ctx, p)
	return notes, err
}

func (s *server) readNotes(ctx context.Context, p *auth.Principal) ([]string, auth.Record, error) {
	notes := []string{}
	r, _, err := s.store.Record(ctx, notesKey(p))
	if err == nil && r.Version != 0 {
		err = json.Unmarshal(r.Value, &notes)
	}
	return notes, r, err
}

// addNote adds a note, and forgets the oldest. A long note is cut.
func (s *server) addNote(ctx context.Context, p *auth.Principal, text string) error {
	text = strings.ToValidUTF8(text, "")
	text = strings.ToValidUTF8(text[:min(len(text), noteBytes)], "")
	for {
		notes, r, err := s.readNotes(ctx, p)
		if err != nil {
			return err
		}
		notes = append(notes, text)
		notes = notes[max(0, len(notes)-keptNotes):]
		value, err := json.Marshal(notes)
		for err == nil && len(value) > 4096 { // escapes take more than the text
			notes = notes[1:]
			value, err = json.Marshal(notes)
		}
		if err != nil {
			return err
		}
		r.Key, r.Owner, r.Value = notesKey(p), p.Subject(), value
		err = s.store.ReplaceRecord(ctx, r.Renew(), r)
		if !errors.Is(err, auth.ErrConflict) || ctx.Err() != nil {
			return err
		}
	}
}
