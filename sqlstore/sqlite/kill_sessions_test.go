package sqlite_test

import (
	"bufio"
	"context"
	cryptorand "crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
)

// shortWindow is the window of used refresh tokens, so that a thief can come after it.
const shortWindow = time.Millisecond

func init() { children["serve"] = serve }

// noPasswords is the hasher of accounts that log in by other means.
type noPasswords struct{}

func (noPasswords) Hash(context.Context, string) (string, error) { return "$none$", nil }
func (noPasswords) Verify(context.Context, string, string) error { return auth.ErrMismatch }
func (noPasswords) NeedsRehash(string) bool                      { return false }

// serve answers the lines "N login" and "N refresh TOKEN" with "N ok TOKEN", "N refused" or "N error"
// until the process is killed, in whatever order the calls return. The task holds the secret of the
// service.
func serve(path string) error {
	ctx := context.Background()
	secret, err := hex.DecodeString(strings.TrimPrefix(os.Getenv(childTask), "serve "))
	if err != nil {
		return err
	}
	key, err := jwt.NewSecretKey(secret)
	if err != nil {
		return err
	}
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		return err
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://issuer.test", Audience: "api.test", Keys: keys})
	if err != nil {
		return err
	}
	s, err := sqlite.Open(ctx, path, sqlstore.Config{})
	if err != nil {
		return err
	}
	refreshKey, err := secrets.New(secret)
	if err != nil {
		return err
	}
	refreshKeys, err := secrets.NewRing(refreshKey)
	if err != nil {
		return err
	}
	a, err := auth.New(s, tokens, auth.Config{Hasher: noPasswords{}, Sessions: s, RefreshKeys: refreshKeys, RefreshWindow: shortWindow, SessionsPerUser: 1000})
	if err != nil {
		return err
	}
	var writing sync.Mutex
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		words := strings.Fields(lines.Text())
		go func() {
			var got auth.Tokens
			var err error
			if words[1] == "login" {
				got, err = a.LoginUser(ctx, "1", "pwd")
			} else {
				got, err = a.Refresh(ctx, words[2])
			}
			answer := "ok " + got.RefreshToken
			if errors.Is(err, auth.ErrInvalidGrant) {
				answer = "refused"
			} else if err != nil {
				answer = "error"
			}
			writing.Lock()
			defer writing.Unlock()
			fmt.Println(words[0], answer)
		}()
	}
	return nil
}

// server is a process that serves, and the calls that wait for its answers.
type server struct {
	cmd   *exec.Cmd
	stdin io.Writer

	mu      sync.Mutex
	waiting map[string]chan string // by number of the request; nil after the process has ended
	serial  int
}

func startServer(t *testing.T, secret, path string) *server {
	cmd := child(t, "serve "+secret, path)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &server{cmd: cmd, stdin: stdin, waiting: make(map[string]chan string)}
	go func() {
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			number, answer, _ := strings.Cut(lines.Text(), " ")
			s.mu.Lock()
			if to := s.waiting[number]; to != nil {
				to <- answer
			}
			s.mu.Unlock()
		}
		_ = cmd.Wait() // its error says that the process was killed
		if stderr.Len() > 0 {
			t.Errorf("a server printed %s", &stderr)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, to := range s.waiting {
			close(to)
		}
		s.waiting = nil
	}()
	return s
}

// ask sends a request and returns the answer, or "" if the server was killed before it answered.
func (s *server) ask(request string) string {
	s.mu.Lock()
	if s.waiting == nil {
		s.mu.Unlock()
		return ""
	}
	s.serial++
	number, answer := fmt.Sprint(s.serial), make(chan string, 1)
	s.waiting[number] = answer
	s.mu.Unlock()
	_, _ = fmt.Fprintln(s.stdin, number, request)
	return <-answer
}

// TestKillSessions kills two servers on one file in turn, 80 times, while clients refresh their tokens
// at both. A client whose reply is lost repeats the request with the token that it has. No client is
// logged out, no acknowledged session is lost, and every stolen token that is used late ends its
// session.
func TestKillSessions(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "auth.db")
	create(t, open(t, path), user("1", "alice"))
	var random [32]byte
	cryptorand.Read(random[:])
	secret := hex.EncodeToString(random[:])
	const kills, clients = 80, 6

	var mu sync.Mutex
	servers := [2]*server{startServer(t, secret, path), startServer(t, secret, path)}
	ask := func(request string) (token string, refused bool) {
		for begin := time.Now(); ; {
			if time.Since(begin) > 3*time.Minute {
				t.Errorf("no answer to %q for three minutes", request)
				return "", false
			}
			mu.Lock()
			s := servers[rand.IntN(2)]
			mu.Unlock()
			switch answer := s.ask(request); {
			case answer == "refused":
				return "", true
			case strings.HasPrefix(answer, "ok "):
				return answer[3:], false
			}
			time.Sleep(time.Millisecond)
		}
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var answers, thefts atomic.Int64
	for range clients {
		wg.Go(func() {
			token, _ := ask("login")
			past := []string{token}
			for {
				next, refused := ask("refresh " + past[len(past)-1])
				if refused {
					t.Error("an honest client was logged out")
					return
				}
				if next == past[len(past)-1] {
					t.Error("a refresh returned the token that was presented")
				}
				past = append(past, next)
				answers.Add(1)
				if len(past) == 12 { // a thief presents a token after the window that its owner used it in
					time.Sleep(2 * shortWindow)
					if _, refused := ask("refresh " + past[rand.IntN(6)]); !refused {
						t.Error("a stolen token was accepted")
					}
					if _, refused := ask("refresh " + next); !refused {
						t.Error("a session continued after one of its tokens was stolen")
					}
					thefts.Add(1)
					token, _ := ask("login")
					past = []string{token}
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for i := 0; (i < kills || thefts.Load() == 0) && !t.Failed(); i++ {
		// Kill at any time from before the file is open until well into the work; every other time
		// not before an answer was given.
		for n := answers.Load(); i%2 == 0 && answers.Load() == n && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(rand.N(80 * time.Millisecond))
		if err := servers[i%2].cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		next := startServer(t, secret, path)
		mu.Lock()
		servers[i%2] = next
		mu.Unlock()
	}
	close(stop)
	wg.Wait()
	for _, s := range servers {
		_ = s.cmd.Process.Kill()
	}
	s := open(t, path)
	intact(t, s)
	t.Logf("%d refreshes and %d thefts", answers.Load(), thefts.Load())
}
