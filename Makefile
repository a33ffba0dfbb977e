# The targets that people and .ci/run use. PostgreSQL and Redis come from what
# is there (internal/testenv tells in which order); FATURE_DATABASE_URL and
# FATURE_REDIS_URL name servers of your own.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOFUMPT     := mvdan.cc/gofumpt@v0.12.0
PREPARE     := ./internal/testenv/prepare.sh

# What to test, and flags for go test: make test PKG=./hierarchy ARGS='-run Move -v'
PKG  ?= ./...
ARGS ?=

# The race detector needs a C compiler; without one go says CGO_ENABLED=0.
RACE = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

.DEFAULT_GOAL := help
.PHONY: help demo test short bench lint fmt image clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## See the library at work: a programme, sales, commissions
	@$(PREPARE) demo
	go run ./examples/quickstart

test: ## Run all tests, with the race detector (PKG=./hierarchy ARGS='-run Move')
	@$(PREPARE) test
	@$(if $(RACE),,echo "make: no C compiler here, so the tests run without -race")
	go test $(RACE) -timeout 20m $(ARGS) $(PKG)

short: ## Run only the tests that need no server
	go test -short $(ARGS) $(PKG)

bench: ## Run the benchmarks; FATURE_LONG=1 adds the ones that take minutes
	@$(PREPARE) test
	go test -run '^$$' -bench . -benchmem -timeout 2h $(ARGS) $(PKG) | go run ./internal/ratios

# Not ST1012: the kinds of package fault are named NotFound, not ErrNotFound.
lint: ## Check the code: gofmt, go vet, staticcheck, and golangci-lint if installed
	@test -z "$$(gofmt -l .)" || { echo "not formatted, run make fmt:"; gofmt -l .; exit 1; }
	go vet ./...
	go run $(STATICCHECK) -checks inherit,-ST1012 ./...
	@if command -v golangci-lint >/dev/null; then golangci-lint run; fi

fmt: ## Format the code
	go run $(GOFUMPT) -l -w .

image: ## Build the image of PostgreSQL 17 and Redis for the tests, from Debian packages
	internal/testenv/image/build.sh pg17

clean: ## Remove what the targets have left here
	rm -rf bin coverage.out *.prof
	go clean -testcache
