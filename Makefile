# Everything that is done with this repository, by name: `make help`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

STATE := $(or $(STARGATE_STATE),.stargate)
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X stargate.io/stargate/cmd/stargate/cli.version=$(VERSION) -X stargate.io/stargate/cmd/simulator/cli.version=$(VERSION)
GOBUILD := go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)'

# In a recipe: the cluster that kubectl and stargate talk to (hack/kubeconfig.sh).
CLUSTER = export KUBECONFIG="$$(hack/kubeconfig.sh)"

# Without the suites that take minutes, or a machine to themselves; each has a target of its own.
PACKAGES = $$(go list ./... | grep -Ev '/test/(e2e|fault|sim|bench|mutants|demo|docs|simulator)(/|$$)' | grep -vxF "$$(go list $(RACED))")
# What runs concurrently is tested under the race detector, which needs a C compiler and its headers.
RACED := ./engine/... ./drivers/... ./cmd/mockdc/... ./simulator/machine/... ./simulator/site/... ./simulator/bmc/...
RACE := $(if $(and $(shell command -v gcc),$(wildcard /usr/include/stdlib.h)),-race)
SUMMARY := go run ./hack/testsummary

SCHEDULES ?= 10000
SEED ?= 0
DURATION ?= 30s
MACHINES ?= .
PORT_WEST ?= 8080
PORT_EAST ?= 8081
export PORT_WEST PORT_EAST

##@ Quick start

deps: ## Download the modules that the build needs
	go mod download
	cd controlplane && go mod download
	cd test/redfish && go mod download

build: bin/stargate bin/mockdc bin/simulator bin/controlplane ## Build bin/stargate, bin/kubectl-stargate, bin/mockdc, bin/simulator and bin/controlplane

cluster-up: ## Start the embedded control plane in the background; kubeconfig in .stargate/kubeconfig
	@hack/controlplane.sh up >/dev/null
	@echo 'export KUBECONFIG=$(abspath $(STATE))/kubeconfig'

cluster-down: ## Stop it; its data stays until `make clean`
	@hack/controlplane.sh down

install-crds: bin/stargate ## Install Stargate's kinds and admission policies into the cluster
	@$(CLUSTER); bin/stargate install --apply --only crds,admission
	@$(CLUSTER) 2>/dev/null; hack/settled.sh

uninstall-crds: bin/stargate ## Remove them, and every object of those kinds (UNINSTALL_FLAGS=-y asks nothing)
	@$(CLUSTER); bin/stargate uninstall $(UNINSTALL_FLAGS)

run-mockapi-west: PORT ?= $(PORT_WEST)
run-mockapi-west: bin/mockdc ## Run the mock datacenter dc-west on port 8080 (PORT, DURATION)
	DC_NAME=dc-west bin/mockdc --listen 127.0.0.1:$(PORT) --data $(STATE)/mockapi-west --duration $(DURATION)

run-mockapi-east: PORT ?= $(PORT_EAST)
run-mockapi-east: bin/mockdc ## Run the mock datacenter dc-east, of the first API version, on port 8081
	DC_NAME=dc-east bin/mockdc --api v1 --listen 127.0.0.1:$(PORT) --data $(STATE)/mockapi-east --duration $(DURATION)

run-controller: DC_URL ?= http://localhost:$(PORT_WEST)
run-controller: bin/stargate ## Run the controller; DC_URL serves namespaces that have no Datacenter
	@$(CLUSTER); exec bin/stargate run --dc-url $(DC_URL) $(RUN_FLAGS)

create-samples: ## Apply the samples but for the Operations
	@$(CLUSTER); hack/samples.sh apply

delete-samples: ## Delete what create-samples applied, and the samples' Operations
	@$(CLUSTER); hack/samples.sh delete

demo: ## A fleet in a minute: two datacenters, repaved, judged, cleaned up (KEEP=1 leaves it running)
	@go build -o bin/demo ./hack/demo
	@exec bin/demo

demo-down: ## End what KEEP=1 make demo left running
	@go build -o bin/demo ./hack/demo
	@exec bin/demo -down

##@ Change and check

generate: ## Regenerate deep copies, CRDs, RBAC and the DC API's types
	hack/generate.sh

lint: ## Run golangci-lint (.golangci.yml says which linters, and why)
	"$$(hack/tool.sh golangci-lint)" run --timeout 15m ./...

verify: ## Formatting, vet, scripts, tidy modules, and that generated files are up to date
	hack/verify.sh

test: ## Unit and integration tests, those of what runs concurrently under the race detector; ends with what was skipped and why
	@$(SUMMARY) -- -p 2 -timeout 15m $(PACKAGES) -- $(RACE) -p 2 -timeout 15m $(RACED)
	@$(if $(RACE),,echo 'without the race detector: apt-get install gcc libc6-dev')

race: ## Those under the race detector alone
	@CGO_ENABLED=1 $(SUMMARY) -- -race -p 2 -timeout 15m $(RACED)

test-controlplane: ## The control plane's own tests (its own module)
	@CGO_ENABLED=0 $(SUMMARY) -C controlplane -- -trimpath -p 2 -timeout 15m ./...

test-redfish: ## A Redfish client that somebody else wrote, on a simulated machine's controller (its own module; needs QEMU)
	@$(SUMMARY) -C test/redfish -- -timeout 15m ./...

sim: ## Simulation: SCHEDULES seeded histories (10000) from SEED on; SCHEDULES=1 SEED=n replays one
	@$(SUMMARY) -- -count=1 -timeout 30m ./test/sim -args -sim.schedules=$(SCHEDULES) -sim.seed=$(SEED)

e2e: build ## Through the front door: real processes, API server and kubectl
	@$(SUMMARY) -- -count=1 -timeout 30m ./test/e2e/...

test-docs: build ## The demo, and what the docs tell their readers to type, typed
	@$(SUMMARY) -- -count=1 -p 2 -timeout 30m ./test/demo/... ./test/docs/...

test-images: ## Make the disks that virtual machines boot in tests (root; Debian's packages; kept between runs)
	@for version in 12.1 12.2; do hack/testimage.sh - --version $$version; done
	@for version in 12.1 12.2; do hack/nodeimage.sh - --version $$version; done

e2e-simulator: build test-images ## Virtual machines through the front door: booted, joined, killed, repaved (root; a network namespace of its own; MACHINES=pattern)
	@$(SUMMARY) -- -count=1 -p 1 -timeout 60m -run '$(MACHINES)' ./test/simulator/...

fault: build ## Kill, cut off and lie to the real controller at every write and call
	@$(SUMMARY) -- -count=1 -p 1 -timeout 60m ./test/fault/...

mutants: ## Plant bugs and see that the tests catch them
	@[[ -d test/mutants ]] || { echo 'there are no mutants yet' >&2; exit 1; }
	@$(SUMMARY) -- -count=1 -timeout 120m ./test/mutants/...

bench: bin/controlplane ## Measure; prints the table and writes bench.json
	go test -tags bench -count=1 -timeout 60m -v ./test/bench -args -json "$(CURDIR)/bench.json" $(BENCH_FLAGS)
	go -C test/bench/flux test -count=1 -timeout 30m -v . -args -json "$(CURDIR)/bench.json" $(FLUX_FLAGS)

vuln: ## Known vulnerabilities in what we link (asks vuln.go.dev)
	"$$(hack/tool.sh govulncheck)" ./...

##@ House-keeping

clean: cluster-down ## Stop the control plane and remove bin/ and .stargate/
	rm -rf bin $(STATE) bench.json cover.out policies/hooks/binary/hookworker

help: ## This list
	@awk -F ':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

# --- files -------------------------------------------------------------------

# The compiler knows best what is up to date.
# Hooks' scripts run in a program of their own, which bin/stargate and bin/simulator carry: it starts in a tenth of the time.
policies/hooks/binary/hookworker: FORCE
	@CGO_ENABLED=0 $(GOBUILD) -o $@ ./cmd/hookworker

bin/stargate: policies/hooks/binary/hookworker FORCE
	@$(GOBUILD) -tags embedworker -o $@ ./cmd/stargate && ln -sfn stargate bin/kubectl-stargate

bin/simulator: policies/hooks/binary/hookworker FORCE
	@$(GOBUILD) -tags embedworker -o $@ ./cmd/simulator

bin/mockdc: FORCE
	@$(GOBUILD) -o $@ ./cmd/mockdc

bin/controlplane: FORCE
	@hack/controlplane.sh build >/dev/null

.PHONY: FORCE $(shell sed -n 's/^\([a-z0-9-]*\):.*## .*/\1/p' $(firstword $(MAKEFILE_LIST)))
