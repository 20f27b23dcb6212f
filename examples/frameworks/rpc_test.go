package frameworks_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/seed-e36e2130/auth/examples/frameworks/profilev1"
	"github.com/seed-e36e2130/auth/examples/frameworks/profilev1/profilev1connect"
)

func dial(t *testing.T, target string) profilev1.ProfileServiceClient {
	t.Helper()
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return profilev1.NewProfileServiceClient(conn)
}

// as returns a context for calls with these values of the metadata "authorization".
func as(t *testing.T, authorization ...string) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	for _, value := range authorization {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", value)
	}
	return ctx
}

// TestGRPC checks the codes that grpc-go's client gets. The two servers differ for malformed
// credentials: Connect has a code for their status 400, gRPC has none.
func TestGRPC(t *testing.T) {
	t.Parallel()
	for name, malformed := range map[string]codes.Code{"grpc": codes.Unauthenticated, "connect": codes.InvalidArgument} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := running(t, name)
			target := p.grpc
			if name == "connect" {
				target = strings.TrimPrefix(p.url, "http://")
			}
			calls := dial(t, target)
			id, valid := p.adaID, "Bearer "+p.ada
			for what, row := range map[string]struct {
				values []string
				want   codes.Code
			}{
				"none":             {nil, codes.Unauthenticated},
				"another scheme":   {[]string{"Basic YTpi"}, codes.Unauthenticated},
				"not a token":      {[]string{"Bearer x"}, codes.Unauthenticated},
				"changed":          {[]string{valid[:len(valid)-5] + "AAAAA"}, codes.Unauthenticated},
				"no token":         {[]string{"Bearer"}, malformed},
				"two":              {[]string{valid, valid}, malformed},
				"two, one invalid": {[]string{"Bearer x", valid}, malformed},
				"valid":            {[]string{valid}, codes.OK},
			} {
				profile, err := calls.Get(as(t, row.values...), &emptypb.Empty{})
				if status.Code(err) != row.want || err == nil && profile.Subject != id {
					t.Errorf("%s: Get answers %v, %v, want %v", what, profile, err, row.want)
				}
				watch, err := calls.Watch(as(t, row.values...), &emptypb.Empty{})
				for n := 0; err == nil && n < 2; n++ {
					if profile, err = watch.Recv(); err == nil && profile.Subject != id {
						t.Errorf("%s: Watch sends %v", what, profile)
					}
				}
				if status.Code(err) != row.want {
					t.Errorf("%s: Watch answers %v, want %v", what, err, row.want)
				}
			}
			if _, err := calls.Purge(as(t, valid), &emptypb.Empty{}); status.Code(err) != codes.PermissionDenied {
				t.Errorf("without the scope: %v", err)
			}
			if _, err := calls.Purge(as(t), &emptypb.Empty{}); status.Code(err) != codes.Unauthenticated {
				t.Errorf("without a caller: %v", err)
			}

			bob, bobsToken := p.user(t, "bob")
			var clients sync.WaitGroup
			for n := range 16 {
				want, ctx := id, as(t, valid)
				if n%2 == 1 {
					want, ctx = bob, as(t, "Bearer "+bobsToken)
				}
				clients.Go(func() {
					for range 10 {
						if profile, err := calls.Get(ctx, &emptypb.Empty{}); err != nil || profile.Subject != want {
							t.Errorf("Get answers %v, %v, want the caller %s", profile, err, want)
						}
					}
				})
			}
			clients.Wait()
		})
	}
}

// TestGRPCStreamEnds checks that a stream ends with Unauthenticated when its token expires.
func TestGRPCStreamEnds(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"grpc", "connect"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expiring(t, name, func(p *program, lifetime time.Duration) bool {
				target := p.grpc
				if name == "connect" {
					target = strings.TrimPrefix(p.url, "http://")
				}
				watch, err := dial(t, target).Watch(as(t, "Bearer "+p.ada), &emptypb.Empty{})
				if err != nil {
					t.Fatal(err)
				}
				begun, end := checkEnd(t, p, lifetime, func() error { _, err := watch.Recv(); return err })
				if status.Code(end) != codes.Unauthenticated {
					t.Errorf("the stream ends with %v, want Unauthenticated", end)
				}
				return begun
			})
		})
	}
}

// TestGRPCLogout checks that a logout ends the streams of its session, and no stream of another user on the
// same connection: each call has the caller of its own token.
func TestGRPCLogout(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"grpc", "connect"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := running(t, name)
			target := p.grpc
			if name == "connect" {
				target = strings.TrimPrefix(p.url, "http://")
			}
			calls := dial(t, target)
			daveID, dave := p.user(t, "dave")
			watch := func(token, want string) grpc.ServerStreamingClient[profilev1.Profile] {
				stream, err := calls.Watch(as(t, "Bearer "+token), &emptypb.Empty{})
				if err != nil {
					t.Fatal(err)
				}
				if profile, err := stream.Recv(); err != nil || profile.Subject != want {
					t.Errorf("Watch sends %v, %v, want %s", profile, err, want)
				}
				return stream
			}
			adas, daves := watch(p.ada, p.adaID), watch(dave, daveID)
			if status := p.send(t, "POST", "/auth/logout", dave); status != 204 {
				t.Errorf("the logout: %d", status)
			}
			var end error
			for end == nil {
				_, end = daves.Recv()
			}
			if status.Code(end) != codes.Unauthenticated {
				t.Errorf("the stream ends with %v, want Unauthenticated", end)
			}
			for range 20 { // some of them were sent after the logout
				if profile, err := adas.Recv(); err != nil || profile.Subject != p.adaID {
					t.Fatalf("ada's stream: %v, %v", profile, err)
				}
			}
		})
	}
}

// TestConnect checks that over the Connect protocol a refusal has the status and challenge of the
// middleware, and a body that Connect's clients understand.
func TestConnect(t *testing.T) {
	t.Parallel()
	p := running(t, "connect")
	id, valid := p.adaID, "Bearer "+p.ada
	calls := profilev1connect.NewProfileServiceClient(client, p.url)
	for what, row := range map[string]struct {
		path      string
		fields    []string
		status    int
		code      connect.Code
		challenge string
	}{
		"none":     {"Get", nil, 401, connect.CodeUnauthenticated, `Bearer realm="api"`},
		"invalid":  {"Get", []string{"Bearer x"}, 401, connect.CodeUnauthenticated, `Bearer realm="api", error="invalid_token"`},
		"two":      {"Get", []string{valid, valid}, 400, connect.CodeInvalidArgument, `Bearer realm="api", error="invalid_request"`},
		"no scope": {"Purge", []string{valid}, 403, connect.CodePermissionDenied, `Bearer realm="api", error="insufficient_scope", scope="admin"`},
		"valid":    {"Get", []string{valid}, 200, 0, ""},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", p.url+"/profile.v1.ProfileService/"+row.path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header["Authorization"] = row.fields
		r.Header.Set("Content-Type", "application/json")
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if challenge := res.Header.Get("WWW-Authenticate"); res.StatusCode != row.status || challenge != row.challenge {
			t.Errorf("%s: %s, %s, want %d, %s", what, res.Status, challenge, row.status, row.challenge)
		}

		ctx, info := connect.NewClientContext(t.Context())
		for _, field := range row.fields {
			info.RequestHeader().Add("Authorization", field)
		}
		if row.path == "Purge" {
			_, err = calls.Purge(ctx, &emptypb.Empty{})
		} else if profile, got := calls.Get(ctx, &emptypb.Empty{}); got != nil || profile.Subject != id {
			err = got
		}
		if row.code == 0 && err != nil || row.code != 0 && connect.CodeOf(err) != row.code {
			t.Errorf("%s: the client returns %v, want %v", what, err, row.code)
		}
	}
}
