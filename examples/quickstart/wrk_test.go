//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
)

// BenchmarkWrk runs wrk against GET /profile of this program, of the same route without
// authentication, and of FastAPI's tutorial, one after the other in each round. The tutorial runs
// twice: as Debian packages it, and with uvloop and httptools, which make it faster. A round takes
// three quarters of a minute:
//
//	go test -run '^$' -bench Wrk -benchtime 3x ./examples/quickstart
func BenchmarkWrk(b *testing.B) {
	wrk := testenv.Command(b, "wrk")
	for round := 1; b.Loop(); round++ {
		guarded := measure(b, wrk, startQuickstart)
		open := measure(b, wrk, startOpen)
		plain := measure(b, wrk, func(b *testing.B) server { return startTutorial(b, "asyncio", "h11") })
		tuned := measure(b, wrk, func(b *testing.B) server { return startTutorial(b, "uvloop", "httptools") })
		loads, ratios := fmt.Sprint("quickstart ", guarded), "" // two lines a round: package testing shows ten
		for _, peer := range []struct {
			name string
			load
		}{{"no authentication", open}, {"FastAPI", plain}, {"FastAPI on uvloop", tuned}} {
			loads += fmt.Sprint("; ", peer.name, " ", peer.load)
			ratios += fmt.Sprintf("; %.2f of %s, %.2f for the same processor time",
				guarded.rate/peer.rate, peer.name, peer.processor.Seconds()/guarded.processor.Seconds())
		}
		b.Logf("round %d: %s", round, loads)
		b.Logf("round %d, requests a second%s", round, ratios)
	}
}

// load is a measurement of wrk. On a machine with other work, the processor time says more
// than the rate.
type load struct {
	rate      float64       // requests a second
	p99       time.Duration // 99th percentile of the time of a request
	processor time.Duration // server's processor time for a request
}

func (l load) String() string {
	return fmt.Sprintf("%.0f/s p99 %v processor %v", l.rate, l.p99, l.processor.Round(time.Microsecond))
}

var (
	wrkCount = regexp.MustCompile(`(\d+) requests in`)
	wrkRate  = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	wrkP99   = regexp.MustCompile(`\s99%\s+([\d.]+(?:us|ms|s))\s`)
)

// server is a running server, and a token of its user ada.
type server struct {
	url, token string
	pid        int
	workers    bool // child processes serve, too
	stop       func()
}

// measure starts a server, runs wrk against it with ada's token, and stops it.
func measure(b *testing.B, wrk string, start func(*testing.B) server) (got load) {
	b.Helper()
	s := start(b)
	defer s.stop()
	if body := profile(b, s.url, s.token); !strings.Contains(body, `"ada"`) {
		b.Fatalf("the profile is %s", body)
	}
	before := s.processor(b)
	out, err := exec.Command(wrk, "-t2", "-c64", "-d10s", "--latency", "-H", "Authorization: Bearer "+s.token, s.url+"/profile").CombinedOutput()
	spent := s.processor(b) - before
	count, rate, p99 := wrkCount.FindSubmatch(out), wrkRate.FindSubmatch(out), wrkP99.FindSubmatch(out)
	if err != nil || count == nil || rate == nil || p99 == nil || strings.Contains(string(out), "Non-2xx") || strings.Contains(string(out), "Socket errors") {
		b.Fatalf("wrk: %v\n%s", err, out)
	}
	requests, err1 := strconv.Atoi(string(count[1]))
	got.rate, err = strconv.ParseFloat(string(rate[1]), 64)
	var err2 error
	got.p99, err2 = time.ParseDuration(string(p99[1]))
	if err := errors.Join(err, err1, err2); err != nil || requests == 0 {
		b.Fatalf("wrk: %v\n%s", err, out)
	}
	got.processor = spent / time.Duration(requests)
	return got
}

// processor returns the processor time that s has used so far, from /proc (see proc(5)).
func (s server) processor(b *testing.B) (sum time.Duration) {
	b.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the process has just ended
		}
		nameEnd := bytes.LastIndexByte(text, ')') // the name itself may hold any character
		field := strings.Fields(string(text[nameEnd+1:]))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		parent, _ := strconv.Atoi(field[1])
		if pid == s.pid || s.workers && parent == s.pid {
			user, _ := strconv.Atoi(field[11])
			system, _ := strconv.Atoi(field[12])
			sum += time.Duration(user+system) * 10 * time.Millisecond
		}
	}
	return sum
}

// startQuickstart starts this program.
func startQuickstart(b *testing.B) server {
	p := start(b, b.TempDir())
	if status, body := register(p.url, "ada", "correct horse battery"); status != 201 {
		b.Fatalf("register answers %d %s", status, body)
	}
	return server{url: p.url, token: login(b, p.url, "ada", "correct horse battery"), pid: p.pid, stop: func() { _ = p.stop() }}
}

// startOpen serves the same answer from the same kind of file in this process, without
// authentication.
func startOpen(b *testing.B) server {
	ctx, end := context.WithCancel(context.Background())
	store, err := sqlite.Open(ctx, filepath.Join(b.TempDir(), "users.db"), sqlstore.Config{})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := store.CreateUser(ctx, auth.User{ID: "1", Username: "ada"}); err != nil {
		b.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /profile", func(w http.ResponseWriter, r *http.Request) {
		user, err := store.UserByID(r.Context(), "1")
		if err != nil {
			http.Error(w, "the profile cannot be read", auth.HTTPStatus(err))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"id": user.ID, "username": user.Username})
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, listener, mux) }()
	return server{url: "http://" + listener.Addr().String(), token: "none", pid: os.Getpid(), stop: func() {
		end()
		if err := errors.Join(<-ended, store.Close()); err != nil {
			b.Error(err)
		}
	}}
}

// startTutorial starts FastAPI's tutorial with one worker for each core and no access log. Its
// users are in memory. Debian's uvicorn depends on h11 alone, so it runs on asyncio and h11 unless
// more is installed.
func startTutorial(b *testing.B, loop, parser string) server {
	python := testenv.Python(b, "fastapi", "jose", "passlib", "bcrypt", "multipart", "uvicorn", "uvloop", "httptools")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(free.Addr().String())
	free.Close()
	cmd := exec.Command(python, "-m", "uvicorn", "--app-dir", "testdata", "--host", "127.0.0.1", "--port", port,
		"--workers", strconv.Itoa(runtime.NumCPU()), "--loop", loop, "--http", parser, "--no-access-log", "tutorial:app")
	cmd.Env = append(os.Environ(), "TUTORIAL_SECRET="+rand.Text(), "PYTHONDONTWRITEBYTECODE=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	stop := sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	b.Cleanup(stop)
	url := "http://127.0.0.1:" + port
	for range 150 {
		if res, err := http.Get(url + "/profile"); err == nil {
			res.Body.Close()
			return server{url: url, token: login(b, url, "ada", "correct horse battery"), pid: cmd.Process.Pid, workers: true, stop: stop}
		}
		time.Sleep(200 * time.Millisecond)
	}
	stop()
	b.Fatalf("uvicorn does not answer:\n%s", &stderr)
	return server{}
}
