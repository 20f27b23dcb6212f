module github.com/seed-e36e2130/auth/mcpauth

go 1.26.0

require (
	github.com/modelcontextprotocol/go-sdk v1.8.0
	github.com/seed-e36e2130/auth v0.1.0
)
