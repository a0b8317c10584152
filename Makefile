# The commands of this repository. `make run` and `make test` are all a newcomer needs.

GO      ?= go
TOOLS   := $(GO) tool -modfile=internal/tools/go.mod
BIN     := bin

.PHONY: run build test check bench pages chaos flame fuzz ledger generate postgres browser node clients clean

run: postgres build ## build and run everything in the foreground
	$(BIN)/tocsin up

build: ## build the five programs into bin/
	@mkdir -p $(BIN)
	$(GO) build -o $(BIN)/ ./cmd/...

test: postgres browser node clients ## the whole suite; real Postgres, NATS and Chromium included
	$(GO) test -timeout 20m ./...

check: ## format, vet, lint, known vulnerabilities, freshness of generated code
	@test -z "$$(gofmt -l cmd internal migrations deploy | grep -v _templ.go)" || { gofmt -l cmd internal migrations deploy; echo 'run: gofmt -w .'; exit 1; }
	$(GO) vet ./...
	$(TOOLS) staticcheck ./...
	internal/tools/fresh.sh
	internal/tools/vulncheck.sh

pages: postgres browser node ## look at every page with axe in every theme, density and width
	$(GO) test ./internal/e2e -run TestEveryPage -v -count=1 -timeout 30m -args -every-look

chaos: postgres build ## break the built programs in every way they survive; SEED=n replays
	$(GO) run ./internal/chaos -bin $(BIN) $(if $(SEED),-seed $(SEED)) $(CHAOS)

bench: postgres build ## print the benchmark tables
	internal/tools/bench.sh

flame: postgres build ## draw where the time of events goes: deploy/docs/event.svg
	$(GO) run ./internal/bench -tocsin $(BIN)/tocsin -seconds 15 -profile $(BIN)/cpu.pprof
	$(GO) tool pprof -traces $(BIN)/tocsin $(BIN)/cpu.pprof | $(GO) run -C internal/tools ./flame -title "Tocsin under load" >deploy/docs/event.svg

fuzz: ## fuzz every target, one after another, each for FUZZTIME (10m); FUZZ="package/Target …" picks
	internal/tools/fuzz.sh $(FUZZ)

ledger: postgres ## send REQUESTS (100000), garbage among them, and want the ledger to close
	$(GO) test ./internal/e2e -run TestTheLedgerClosesAfterAMixedLoad -v -count=1 -timeout 60m -args -ledger-requests $(or $(REQUESTS),100000)

generate: ## rewrite every generated file
	$(TOOLS) templ generate -path internal/web/ui
	$(GO) run -C internal/tools ./assets
	$(GO) test ./internal/operator -run 'TestREADMEIsTrue|TestDeployFilesAreFresh' -count=1 -update >/dev/null

postgres: ## make sure the Postgres server programs are here
	@internal/tools/install.sh postgres

browser: ## make sure Chromium is here, for the page tests
	@internal/tools/install.sh chromium

node: ## make sure Node and npm are here, for the tests with real SDKs
	@internal/tools/install.sh node

clients: ## make sure the SDKs of other languages are here, for the tests with real SDKs
	@internal/tools/install.sh python-sdk
	@internal/tools/install.sh ruby-sdk

clean: ## remove what was built; data/ stays
	rm -rf $(BIN)
