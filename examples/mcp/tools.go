package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/mcpauth"
)

func (s *server) addNoteTools(tools *mcp.Server) {
	mcp.AddTool(tools, &mcp.Tool{Name: "echo", Description: "Return the text"}, echo)
	mcp.AddTool(tools, &mcp.Tool{Name: "whoami", Description: "Say who calls"}, whoami)
	mcp.AddTool(tools, &mcp.Tool{Name: "slow", Description: "Work for some seconds, and report progress"}, slow)
	mcp.AddTool(tools, &mcp.Tool{Name: "add_note", Description: "Add a note"}, s.addNoteTool)
}

func (s *server) addFileTools(tools *mcp.Server) {
	mcp.AddTool(tools, &mcp.Tool{Name: "whoami", Description: "Say who calls"}, whoami)
}

type textInput struct {
	Text string `json:"text" jsonschema:"the text"`
}

func echo(_ context.Context, _ *mcp.CallToolRequest, in textInput) (*mcp.CallToolResult, any, error) {
	return text(in.Text), nil, nil
}

func (s *server) addNoteTool(ctx context.Context, req *mcp.CallToolRequest, in textInput) (*mcp.CallToolResult, any, error) {
	p, ok := mcpauth.Caller(req)
	if !ok {
		return nil, nil, auth.ErrNoCredentials
	}
	if err := s.addNote(ctx, p, in.Text); err != nil {
		return nil, nil, err
	}
	return text("added"), nil, nil
}

// whoami tells the bearer of this request, whoever began the session.
func whoami(_ context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
	p, ok := mcpauth.Caller(req)
	if !ok {
		return nil, nil, auth.ErrNoCredentials
	}
	who, err := json.Marshal(map[string]string{"sub": p.Subject(), "client_id": p.ClientID(), "scope": strings.Join(p.Scopes(), " ")})
	if err != nil {
		return nil, nil, err
	}
	return text(string(who)), nil, nil
}

type slowInput struct {
	Seconds float64 `json:"seconds" jsonschema:"how long to work, at most 600"`
}

// slow reports progress twice a second, the first time at once, until the time is over or the context ends.
func slow(ctx context.Context, req *mcp.CallToolRequest, in slowInput) (*mcp.CallToolResult, any, error) {
	if !(in.Seconds >= 0 && in.Seconds <= 600) {
		return nil, nil, errors.New("seconds must be from 0 to 600")
	}
	began := time.Now()
	end := time.NewTimer(time.Duration(in.Seconds * float64(time.Second)))
	defer end.Stop()
	next := time.NewTicker(500 * time.Millisecond)
	defer next.Stop()
	for {
		if token := req.Params.GetProgressToken(); token != nil {
			err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
				ProgressToken: token, Progress: time.Since(began).Seconds(), Total: in.Seconds,
			})
			if err != nil {
				return nil, nil, err
			}
		}
		select {
		case <-ctx.Done():
			time.Sleep(time.Second) // an answer of now could still reach the client, as if the work were done
			return nil, nil, context.Cause(ctx)
		case <-end.C:
			return text(fmt.Sprintf("%g seconds", in.Seconds)), nil, nil
		case <-next.C:
		}
	}
}

func text(s string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: s}}}
}
