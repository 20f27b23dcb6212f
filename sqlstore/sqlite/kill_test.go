package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
)

// What a process that a test starts of this program does, on which file.
const (
	childTask = "AUTH_TEST_CHILD"
	childFile = "AUTH_TEST_CHILD_FILE"
)

// children are the tasks. A task prints what its test reads, and returns what
// went wrong.
var children = map[string]func(path string) error{}

func TestMain(m *testing.M) {
	if task := os.Getenv(childTask); task != "" {
		name, _, _ := strings.Cut(task, " ")
		if err := children[name](os.Getenv(childFile)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child returns a process for a task, not yet started.
func child(t testing.TB, task, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childTask+"="+task, childFile+"="+path)
	return cmd
}

func init() { children["register"] = register }

// register creates users until somebody ends the process, and prints the name of
// each as soon as it was told that it exists. The task names the process and the
// round.
func register(path string) error {
	var process, round string
	if _, err := fmt.Sscan(strings.TrimPrefix(os.Getenv(childTask), "register "), &process, &round); err != nil {
		return err
	}
	s, err := sqlite.Open(context.Background(), path, sqlstore.Config{})
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		name := fmt.Sprintf("user-%s-%d", round, i)
		err := createUser(context.Background(), s, user(process+"."+name, name))
		if err == nil {
			fmt.Println(name)
		} else if !errors.Is(err, auth.ErrUserExists) {
			return err
		}
	}
}

// TestKill ends two processes that register the same names, without a warning, at
// a moment of chance, again and again. Each time the next process finds every
// user who was acknowledged, each of them to one of the two, and none by half.
func TestKill(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "auth.db")
	const rounds = 12 // of two kills
	total := 0
	for round := range rounds {
		var processes []*exec.Cmd
		acknowledged := make(chan auth.User)
		ended := make(chan struct{})
		for _, process := range []string{"a", "b"} {
			cmd := child(t, fmt.Sprintf("register %s %d", process, round), path)
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			var stderr strings.Builder
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			processes = append(processes, cmd)
			go func() {
				for lines := bufio.NewScanner(stdout); lines.Scan(); {
					acknowledged <- user(process+"."+lines.Text(), lines.Text())
				}
				_ = cmd.Wait() // killed
				if stderr.Len() > 0 {
					t.Errorf("process %s: %s", process, &stderr)
				}
				ended <- struct{}{}
			}()
		}
		// From before the file is open until well into the work; every other time not
		// before something was done, however long that takes.
		var deadly <-chan time.Time
		if round%2 == 0 {
			deadly = time.After(rand.N(250 * time.Millisecond))
		}
		owners := make(map[string]auth.User)
		for running := 2; running > 0; {
			select {
			case <-deadly:
				for _, cmd := range processes {
					if err := cmd.Process.Kill(); err != nil {
						t.Error(err)
					}
				}
			case u := <-acknowledged:
				if first, taken := owners[u.Username]; taken {
					t.Errorf("%s was given to %s and to %s", u.Username, first.ID, u.ID)
				}
				if len(owners) == 0 && round%2 > 0 {
					deadly = time.After(rand.N(250 * time.Millisecond))
				}
				owners[u.Username] = u
			case <-ended:
				running--
			}
		}
		checkRound(t, path, round, owners)
		total += len(owners)
	}
	t.Logf("%d users acknowledged over %d kills", total, 2*rounds)
}

// checkRound looks at the file as the next process does.
func checkRound(t *testing.T, path string, round int, acknowledged map[string]auth.User) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	intact(t, s)
	for _, u := range acknowledged {
		hasUser(t, s, u)
	}
	// One of each process may have been written and not acknowledged; it is whole.
	rows, err := s.DB().QueryContext(t.Context(), "SELECT username FROM auth_users WHERE username LIKE ?", fmt.Sprintf("user-%d-%%", round))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	more := 0
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		u, err := s.UserByUsername(t.Context(), name)
		if err != nil || (u != user("a."+name, name) && u != user("b."+name, name)) {
			t.Errorf("half a user: %+v, %v", u, err)
		}
		if _, told := acknowledged[name]; !told {
			more++
		}
	}
	if err := rows.Err(); err != nil || more > 2 {
		t.Errorf("%d users whom nobody was told of, %v, want at most 2", more, err)
	}
}
