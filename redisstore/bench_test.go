package redisstore_test

import (
	"crypto/rand"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
)

// BenchmarkRefresh compares a refresh, which reads a session and replaces it, with what two commands
// on a value of the same size take at least through the same client.
func BenchmarkRefresh(b *testing.B) {
	opt := options(b)
	opt.PoolSize = 64
	client := connect(b, opt)
	b.Run("GET and SET", func(b *testing.B) {
		p := prefix(b, client)
		var n atomic.Int64
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			key, value := fmt.Sprintf("%s:%d", p, n.Add(1)), make([]byte, 256)
			rand.Read(value)
			for pb.Next() {
				client.Get(b.Context(), key)
				if err := client.Set(b.Context(), key, value, time.Hour).Err(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
	b.Run("Session and ReplaceSession", func(b *testing.B) {
		s := newStore(b, client, prefix(b, client))
		var n atomic.Int64
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			i := int(n.Add(1))
			sess := session(i, fmt.Sprint("user ", i))
			sess.State = make([]byte, 100)
			create(b, s, sess)
			for pb.Next() {
				got, _, err := s.Session(b.Context(), sess.ID)
				if err != nil {
					b.Error(err)
					return
				}
				next := got
				next.Version++
				if err := s.ReplaceSession(b.Context(), got, next); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
	b.Run("Refresh", func(b *testing.B) {
		a := replicas(b, auth.Config{}, newStore(b, client, prefix(b, client)))[0]
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			tokens, err := a.Login(b.Context(), "ada", password)
			if err != nil {
				b.Error(err)
				return
			}
			for pb.Next() {
				if tokens, err = a.Refresh(b.Context(), tokens.RefreshToken); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

// BenchmarkRecord compares a change of a record that has an owner with one that has none: the list of
// the owner is read and written as well.
func BenchmarkRecord(b *testing.B) {
	client := connect(b, options(b))
	for name, owner := range map[string]string{"without owner": "", "with owner": "ada"} {
		b.Run(name, func(b *testing.B) {
			s := newStore(b, client, prefix(b, client))
			write(b, s, "k", owner, time.Hour)
			for b.Loop() {
				r, _, err := s.Record(b.Context(), "k")
				if err != nil {
					b.Fatal(err)
				}
				if err := s.ReplaceRecord(b.Context(), r.Renew(), r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
