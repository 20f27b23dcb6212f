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

// The environment variables that tell a process of this test program its task and its file.
const (
	childTask = "AUTH_TEST_CHILD"
	childFile = "AUTH_TEST_CHILD_FILE"
)

// children holds the tasks of processes that tests start. A task prints what its test reads, and
// returns an error if it fails.
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

// child returns a process for a task, which is not started yet.
func child(t testing.TB, task, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childTask+"="+task, childFile+"="+path)
	return cmd
}

func init() { children["register"] = register }

// register creates users until the process is killed, and prints the name of each user when it is
// acknowledged. The task names the process and the round.
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

// TestKill kills two processes that register the same names, at a random moment, again and again. Each
// time the next process finds every acknowledged user, each registered by one of the two processes, and
// none in part.
func TestKill(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "auth.db")
	const rounds = 12 // with two kills each
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
				_ = cmd.Wait() // its error says that the process was killed
				if stderr.Len() > 0 {
					t.Errorf("process %s: %s", process, &stderr)
				}
				ended <- struct{}{}
			}()
		}
		// Kill at any time from before the file is open until well into the work; in every other round
		// not before the first acknowledged user, however long that takes.
		var kill <-chan time.Time
		if round%2 == 0 {
			kill = time.After(rand.N(250 * time.Millisecond))
		}
		owners := make(map[string]auth.User)
		for running := 2; running > 0; {
			select {
			case <-kill:
				for _, cmd := range processes {
					if err := cmd.Process.Kill(); err != nil {
						t.Error(err)
					}
				}
			case u := <-acknowledged:
				if first, taken := owners[u.Username]; taken {
					t.Errorf("%s belongs to %s and to %s", u.Username, first.ID, u.ID)
				}
				if len(owners) == 0 && round%2 > 0 {
					kill = time.After(rand.N(250 * time.Millisecond))
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

// checkRound reads the file as the next process does.
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
	// Each process may have written one user that was not acknowledged. It is complete.
	rows, err := s.DB().QueryContext(t.Context(), "SELECT username FROM auth_users WHERE username LIKE ?", fmt.Sprintf("user-%d-%%", round))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	unacknowledged := 0
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		u, err := s.UserByUsername(t.Context(), name)
		if err != nil || (u != user("a."+name, name) && u != user("b."+name, name)) {
			t.Errorf("a user was stored in part: %+v, %v", u, err)
		}
		if _, ok := acknowledged[name]; !ok {
			unacknowledged++
		}
	}
	if err := rows.Err(); err != nil || unacknowledged > 2 {
		t.Errorf("%d users were not acknowledged, %v, want at most 2", unacknowledged, err)
	}
}
