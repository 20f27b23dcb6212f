package mcpauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-e36e2130/auth"
)

// CodeForbidden is the JSON-RPC code of a call that the caller may not make: of the range for
// implementations, and not one that the protocol gave a meaning.
const CodeForbidden = -32003

// Methods is the part of the Middleware within the server: give it to AddReceivingMiddleware of
// [mcp.Server]. It refuses requests that did not come through [Middleware.Handler], with [CodeForbidden]; it
// puts the caller of the request into the context, for [auth.FromContext]; it ends that context when the
// request ended for a reason of its own, such as a revocation; and it holds Tools of the [Config]: a caller
// sees and calls only what their scopes allow.
func (m *Middleware) Methods(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		c := callOf(req)
		if c == nil {
			return nil, &jsonrpc.Error{Code: CodeForbidden, Message: "forbidden: no verified caller"}
		}
		if params, ok := req.GetParams().(*mcp.CallToolParamsRaw); ok && !m.allows(c.caller, params.Name) {
			return nil, &jsonrpc.Error{Code: CodeForbidden, Message: "forbidden: insufficient scope"}
		}
		ctx, cancel := context.WithCancelCause(auth.NewContext(ctx, c.caller))
		defer cancel(nil)
		defer context.AfterFunc(c.ctx, func() {
			// A client that hangs up may come back for the result. And a request that is answered has an
			// end, but none that means anything.
			if cause := context.Cause(c.ctx); !errors.Is(cause, context.Canceled) {
				cancel(cause)
			}
		})()
		result, err := next(ctx, method, req)
		if list, ok := result.(*mcp.ListToolsResult); ok && list != nil {
			result = m.filter(list, c.caller)
		}
		return result, err
	}
}

// allows reports whether the caller has the scopes of a tool.
func (m *Middleware) allows(caller *auth.Principal, tool string) bool {
	scopes := m.tools[tool]
	return len(scopes) == 0 || m.guard.Allows(caller, scopes...)
}

// filter returns the list without the tools that the caller may not call.
func (m *Middleware) filter(list *mcp.ListToolsResult, caller *auth.Principal) *mcp.ListToolsResult {
	if len(m.tools) == 0 {
		return list
	}
	shown := *list
	shown.Tools = slices.DeleteFunc(slices.Clone(list.Tools), func(tool *mcp.Tool) bool { return !m.allows(caller, tool.Name) })
	shown.CacheScope = "private" // it is the list of this caller
	return &shown
}

// maxBody is how much of a body is read to see which tool it calls: what the SDK accepts by default. A
// longer body is passed on unread; then Methods alone decides.
const maxBody = mcp.DefaultMaxRequestBodyBytes

// challengeCalls answers a call of a tool whose scopes the caller lacks, before the SDK begins to answer: only
// then can the status be 403, with the challenge that a client needs to ask for more. Methods makes the same
// decision about what the SDK itself has read, so nothing depends on two readers of one body.
func (m *Middleware) challengeCalls(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Body == nil {
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
		if err != nil {
			http.Error(w, "failed to read body", http.StatusBadRequest)
			return
		}
		r = r.WithContext(r.Context())
		r.Body = &replayed{io.MultiReader(bytes.NewReader(body), r.Body), r.Body}
		if len(body) <= maxBody {
			caller, _ := auth.FromContext(r.Context())
			scopes := slices.Clone(m.scopes)
			lacking := false
			for _, tool := range calledTools(body) {
				lacking = lacking || !m.allows(caller, tool)
				for _, scope := range m.tools[tool] {
					if !slices.Contains(scopes, scope) {
						scopes = append(scopes, scope)
					}
				}
			}
			if lacking {
				m.require(next, scopes).ServeHTTP(w, r) // refuses it, as any route that asks for these scopes does
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// replayed is a body of which a part was read before.
type replayed struct {
	io.Reader
	io.Closer
}

// calledTools returns the tools that a body calls, read by the SDK's own decoder: one message, or several, as
// old versions of the protocol allowed. A body that is not understood calls none: the SDK refuses it.
func calledTools(body []byte) (names []string) {
	messages := []json.RawMessage{body}
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '[' {
		if json.Unmarshal(body, &messages) != nil {
			return nil
		}
	}
	for _, message := range messages {
		decoded, err := jsonrpc.DecodeMessage(message)
		if err != nil {
			return nil
		}
		request, ok := decoded.(*jsonrpc.Request)
		if !ok || request.Method != "tools/call" {
			continue
		}
		var params map[string]json.RawMessage // names that match exactly, as the SDK reads them
		var name string
		if json.Unmarshal(request.Params, &params) == nil && json.Unmarshal(params["name"], &name) == nil {
			names = append(names, name)
		}
	}
	return names
}
