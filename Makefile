# The tools that lint runs, each pinned.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOFUMPT     := mvdan.cc/gofumpt@v0.12.0
ERRCHECK    := github.com/kisielk/errcheck@v1.9.0
MISSPELL    := github.com/client9/misspell/cmd/misspell@v0.3.4

# How long the tests of a package may take. No test looks at how fast it is, but each
# waits for what it waits for for minutes before it fails.
TIMEOUT := -timeout 60m

# Where random cases begin: what was tested is tested again. RAPID_SEED=0 begins anywhere.
export RAPID_SEED ?= 1

# All packages: ./... leaves out what lies below a testdata.
PACKAGES := ./... ./testdata/clinic/...

.DEFAULT_GOAL := help
.PHONY: help build test modules setup lint generated race oracle fuzz check

help: ## list what make can do
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/portico
	go build -trimpath -o bin/portico ./cmd/portico

modules: ## fetch the modules and tools that are not there yet
	@sh scripts/modules.sh $(STATICCHECK) $(GOFUMPT) $(ERRCHECK) $(MISSPELL)

setup: modules ## install what the tests need, below .cache
	@sh scripts/r4-definitions.sh
	@sh scripts/test-mongodb.sh
	@sh scripts/test-browser.sh

test: setup ## run all tests: the schema oracle's module, the foreign identity provider's, then the product's
	cd conformance/oracle && go test $(TIMEOUT) ./...
	@cd conformance/provider && if go mod download; then go test $(TIMEOUT) ./...; else echo "NOT RUN: conformance/provider, whose modules cannot be fetched"; fi
	go test -shuffle=on $(TIMEOUT) $(PACKAGES)

lint: modules ## formatting, vet, staticcheck, errcheck, spelling: no warnings
	@out=$$(go run $(GOFUMPT) -l .); test -z "$$out" || { echo "not gofumpt-ed:"; echo "$$out"; exit 1; }
	go vet $(PACKAGES)
	cd conformance/oracle && go vet ./...
	cd conformance/provider && go vet ./...
	go run $(STATICCHECK) -checks all,-ST1000 $(PACKAGES)
	go run $(ERRCHECK) -ignoretests -exclude .errcheck $(PACKAGES)
	@git ls-files '*.go' '*.md' ':!*_test.go' ':!*_gen.go' | xargs go run $(MISSPELL) -error

generated: setup ## check that the generated files are up to date
	go generate $(PACKAGES)
	git diff --exit-code --stat

race: setup ## run the tests of the concurrent packages with the race detector
	go test -race -short $(TIMEOUT) ./store/... ./fhir/record ./fhir/rest

oracle: modules ## ask 100,000 random requests of the guard, or REQUESTS
	go test -run '^TestOracle$$/sqlite' $(TIMEOUT) ./smart/guard -args -guard.requests=$(or $(REQUESTS),100000)

fuzz: modules ## fuzz every target for FUZZTIME (default 30s)
	@sh scripts/fuzz.sh $(or $(FUZZTIME),30s)

check: lint generated race oracle test ## everything that CI runs
