.PHONY: all test fuzz bench

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
