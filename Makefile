.PHONY: all test fuzz bench tidy release

# All that CI runs.
all:
	bash .ci/run

# The tests alone. Those whose counterpart is absent say so and skip.
test:
	go test work

fuzz:
	FUZZ_SECONDS=60 bash .ci/run fuzz

bench:
	go test -run '^$$' -bench . -benchmem ./...

# The command go mod tidy needs the published version of our modules, which may be yet to come.
tidy:
	bash .ci/run tidy

# Sets what the modules require of each other, once everything passes, and prints the commands that
# commit, tag and push: make release VERSION=v0.1.0
release:
	go run ./internal/release check $(VERSION)
	bash .ci/run
	go run ./internal/release set $(VERSION)
