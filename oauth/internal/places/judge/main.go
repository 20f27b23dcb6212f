// Command judge lets a simulation of honest users and thieves try the rule of package places: it reads
// requests from its standard input and writes an answer for each. Every request opens a token's text
// and decodes the state as it would come from a store, and encodes both again.
//
//	start GRANT ADDRESS TIME LIFE           answer: token TOKEN
//	present GRANT TOKEN ADDRESS TIME        answer: ok TOKEN, refused or ended, with told after an event
//	end GRANT                               no answer: the grant is forgotten
//
// TIME is in seconds, and rises within a grant. LIFE is the life of an access token in seconds.
package main

import (
	"bufio"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth/oauth/internal/places"
	"github.com/seed-e36e2130/auth/secrets"
)

func main() {
	strict := flag.Bool("strict", false, "end a grant whenever a used token comes again")
	flag.Parse()
	if err := serve(os.Stdin, os.Stdout, *strict); err != nil {
		fmt.Fprintln(os.Stderr, "judge:", err)
		os.Exit(1)
	}
}

// grant is a grant as a store would have it.
type grant struct {
	id    string
	state []byte
	life  time.Duration
}

type judge struct {
	keys   *secrets.Ring
	grants map[string]*grant
	strict bool
}

var errRequest = errors.New("not a request")

func newJudge(strict bool) (*judge, error) {
	keys, err := secrets.NewRing(secrets.Generate())
	return &judge{keys, map[string]*grant{}, strict}, err
}

// serve answers the requests of in until it ends. Answers are flushed when no more requests wait.
func serve(in io.Reader, out io.Writer, strict bool) error {
	j, err := newJudge(strict)
	if err != nil {
		return err
	}
	r, w := bufio.NewReaderSize(in, 1<<16), bufio.NewWriterSize(out, 1<<16)
	for {
		if r.Buffered() == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
		}
		line, err := r.ReadString('\n')
		if err == io.EOF {
			return w.Flush()
		} else if err != nil {
			return err
		}
		answer, err := j.answer(strings.Fields(line))
		if err != nil {
			return fmt.Errorf("%q: %w", line, err)
		}
		if answer != "" {
			if _, err := w.WriteString(answer + "\n"); err != nil {
				return err
			}
		}
	}
}

func (j *judge) answer(f []string) (string, error) {
	switch {
	case len(f) == 5 && f[0] == "start":
		return j.start(f[1], f[2], f[3], f[4])
	case len(f) == 5 && f[0] == "present" && j.grants[f[1]] != nil:
		return j.present(j.grants[f[1]], f[2], f[3], f[4])
	case len(f) == 2 && f[0] == "end":
		delete(j.grants, f[1])
		return "", nil
	}
	return "", errRequest
}

func (j *judge) start(name, address, at, life string) (string, error) {
	client, now, err := where(address, at)
	if err != nil {
		return "", err
	}
	seconds, err := strconv.ParseFloat(life, 64)
	if err != nil {
		return "", err
	}
	state, token, err := places.Begin(j.keys, client, now)
	if err != nil {
		return "", err
	}
	var id [16]byte
	rand.Read(id[:]) // never fails
	g := &grant{base64.RawURLEncoding.EncodeToString(id[:]), state.Append(nil), duration(seconds)}
	j.grants[name] = g
	text, err := state.Text(j.keys, g.id, token)
	return "token " + text, err
}

func (j *judge) present(g *grant, text, address, at string) (string, error) {
	client, now, err := where(address, at)
	if err != nil {
		return "", err
	}
	state, err := places.Parse(g.state)
	if err != nil {
		return "", err
	}
	presented, err := places.Read(j.keys, text)
	if err != nil {
		return "", err
	}
	token, err := state.Open(presented)
	if err != nil {
		return "", err
	}
	state, here, err := state.Locate(j.keys, client)
	if err != nil {
		return "", err
	}
	state, answer := state.Present(token, here, now, places.Params{TokenLife: g.life, Strict: j.strict})
	if answer.Changed {
		g.state = state.Append(nil)
	}
	var reply string
	switch answer.Verdict {
	case places.Served, places.Repeated:
		if reply, err = state.Text(j.keys, g.id, answer.Token); err != nil {
			return "", err
		}
		reply = "ok " + reply
	case places.Refused:
		reply = "refused"
	case places.Ended:
		reply = "ended"
	}
	if answer.Conflict || answer.Verdict == places.Refused || answer.Verdict == places.Ended {
		reply += " told"
	}
	return reply, nil
}

func where(address, at string) (netip.Addr, time.Time, error) {
	client, err := netip.ParseAddr(address)
	if err != nil {
		return client, time.Time{}, err
	}
	seconds, err := strconv.ParseFloat(at, 64)
	return client, time.Unix(0, 0).Add(duration(seconds)), err
}

func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
