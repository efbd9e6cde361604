# Two commands do everything on a fresh Debian 12 machine with Go and git:
#   make demo   installs what it needs, starts three real libvirt hosts, runs the main job on them
#   make test   installs what it needs, runs all tests
SHELL   := /bin/bash
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  := $(shell git rev-parse --short HEAD 2>/dev/null)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
SOURCES := $(wildcard $(shell git ls-files -co --exclude-standard "*.go" go.mod go.sum 2>/dev/null))

.PHONY: build deb demo demo-down test test-fast test-lab check install-lab install-tools bench fuzz sim mutants clean help

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

build: bin/novaplan ## bin/novaplan

bin/novaplan: $(SOURCES)
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/novaplan

deb: build ## the Debian package of novaplan and its server, in bin/
	packaging/build-deb bin/novaplan $(VERSION) bin

demo: build ## the main job on three libvirt hosts of this machine (simulated without root)
	@examples/demo

demo-down: ## end the demo's hosts and guests, leave the machine as it was
	@examples/demo down

test: install-lab install-tools check ## all tests: checks, race detector, real libvirt hosts
	go test -race -timeout 15m ./...
	$(MAKE) sim HOURS=10
	$(MAKE) test-lab

test-fast: ## what needs no root and ends within two minutes
	go test ./...

# The lab's tests share two cores with the guests they boot: one package at a time.
test-lab: build ## tests on real libvirt hosts with guests that boot; needs root
	@if [ "$$(id -u)" -ne 0 ]; then echo "make test-lab: needs root for network namespaces (sudo make test-lab)" >&2; exit 1; fi
	go test -tags lab -count 1 -p 1 -timeout 25m $$(grep -rl --include='*_test.go' '^//go:build lab' . | xargs -n1 dirname | sort -u)

check: ## format, vet, staticcheck
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'run gofmt -w on these' >&2; exit 1; }
	go vet ./...
	go vet -tags lab ./...
	go tool staticcheck -tags lab ./...

install-lab:
	@examples/lab/lab install

# The race detector needs a C compiler, the benchmarks GNU time, a script that asks a server without our client curl.
install-tools:
	@missing=""; command -v gcc >/dev/null || missing="gcc libc6-dev"; [ -x /usr/bin/time ] || missing="$$missing time"; command -v curl >/dev/null || missing="$$missing curl"; \
	if [ -n "$$missing" ]; then apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing; fi

bench: build install-tools ## benchmarks of the parts, and the whole process at three sizes
	go test -run '^$$' -bench . -benchmem ./spec/... ./planner/... ./cluster/state/...
	examples/bench

fuzz: ## each fuzz test for a minute
	@for p in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -rn1 dirname | sort -u); do \
	  for f in $$(grep -h '^func Fuzz' $$p/*_test.go | sed -E 's/func (Fuzz[A-Za-z0-9_]*).*/\1/'); do \
	    go test -run '^$$' -fuzz "^$$f$$" -fuzztime 60s $$p || exit 1; done; done

HOURS ?= 10
SEED  ?= 1
sim: ## HOURS cluster-hours of trouble in virtual time, from SEED on; about 10 s each
	go test ./internal/simulation -count 1 -run 'Simulation$$' -v -timeout 24h -seed $(SEED) -hours $(HOURS) | grep -v '^=== '; exit $${PIPESTATUS[0]}

mutants: ## shows that the simulation finds each planted bug
	internal/simulation/mutants

clean: ## what was built
	rm -rf bin
