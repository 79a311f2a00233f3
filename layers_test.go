// Package portico_test holds the checks on the module as a whole: which package
// may import which, and which modules may be linked into what.
package portico_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/portico-fhir/portico"

// layers lists our packages from the top down, as ARCHITECTURE.md draws them. A
// package may import those of lower layers and its own sub-packages.
var layers = [][]string{
	{"cmd/portico", "cmd/portico/demoapp", "cmd/portico/desk"},
	{"fhir/rest", "conformance", "bench", "smart/server"},
	{"smart/people"},
	{"smart/pages"},
	{"smart/upstream", "smart/authorize"},
	{"smart/token"},
	{"smart/client", "smart/signing", "smart/grant", "smart/foreign"},
	{"smart/account"},
	{"fhir/purge"},
	{"fhir/join", "fhir/operation", "fhir/integrity", "fhir/terminology", "fhir/review"},
	{"smart/guard"},
	{"fhir/infer", "fhir/live", "fhir/checkup", "fhir/router", "fhir/load"},
	{"fhir/bundle"},
	{"fhir/write"},
	{"fhir/record", "fhir/chartmap", "fhir/receipt", "fhir/job"},
	{"fhir/commit", "fhir/explain"},
	{"fhir/index"},
	{"smart/access"},
	{"smart/policy"},
	{"fhir/search"},
	{"smart/scope", "smart/oauth", "smart/jwks"},
	{"fhir/subset", "fhir/patch"},
	{"fhir/invariant"},
	{"fhir/schema"},
	{"fhir/path"},
	{"fhir", "fhir/extent"},
	{"store/memory", "store/sqlite", "store/mongo"},
	{"store", "testdata/clinic", "bench/records"},
}

// exceptions are packages that the layers do not bind: tools and test support,
// which nothing in the product imports.
var exceptions = []string{
	"store/storetest", "store/storetest/backends", "store/mongo/mongotest", "conformance/suite", "conformance/exact", "conformance/program", "examples", "conformance/browser", "conformance/promises",
	"internal/definitions", "internal/patience", "fhir/search/internal/gen", "fhir/search/internal/compartments", "fhir/invariant/internal/gen", "fhir/index/internal/gen", "fhir/subset/internal/gen", "fhir/terminology/internal/gen", "testdata/clinic/gen",
}

// allowed are the modules that each package may import itself, test files aside,
// besides the standard library and this module.
var allowed = map[string][]string{
	"bench":            {},
	"bench/records":    {},
	"cmd/portico":      {"go.yaml.in/yaml/v3", "golang.org/x/term"},
	"cmd/portico/desk": {},
	"conformance":      {"github.com/go-json-experiment/json"},
	"fhir":             {"golang.org/x/text"},
	"fhir/bundle":      {"github.com/go-json-experiment/json"},
	"fhir/explain":     {},
	"fhir/extent":      {},
	"fhir/checkup":     {"go.mongodb.org/mongo-driver/v2", "go.yaml.in/yaml/v3"},
	"fhir/chartmap":    {"go.mongodb.org/mongo-driver/v2", "go.yaml.in/yaml/v3", "golang.org/x/text"},
	"fhir/commit":      {"go.mongodb.org/mongo-driver/v2"},
	"fhir/integrity":   {"go.mongodb.org/mongo-driver/v2", "github.com/go-json-experiment/json"},
	"fhir/index":       {"go.mongodb.org/mongo-driver/v2"},
	"fhir/infer":       {"go.mongodb.org/mongo-driver/v2"},
	"fhir/invariant":   {},
	"fhir/job":         {"go.mongodb.org/mongo-driver/v2"},
	"fhir/join":        {},
	"fhir/operation":   {"github.com/go-json-experiment/json"},
	"fhir/live":        {"go.mongodb.org/mongo-driver/v2"},
	"fhir/load":        {"github.com/go-json-experiment/json", "golang.org/x/sync"},
	"fhir/purge":       {},
	"fhir/receipt":     {"go.mongodb.org/mongo-driver/v2"},
	"fhir/record":      {"go.mongodb.org/mongo-driver/v2", "github.com/klauspost/compress"},
	"fhir/rest":        {"github.com/gorilla/mux", "github.com/prometheus/client_golang", "github.com/go-json-experiment/json"},
	"fhir/patch":       {"github.com/go-json-experiment/json"},
	"fhir/path":        {"github.com/go-json-experiment/json"},
	"fhir/router":      {},
	"fhir/schema":      {"github.com/go-json-experiment/json"},
	"fhir/search":      {"go.mongodb.org/mongo-driver/v2"},
	"fhir/subset":      {"github.com/go-json-experiment/json"},
	"fhir/write":       {},
	"smart/foreign":    {"github.com/coreos/go-oidc/v3", "github.com/go-jose/go-jose/v4"},
	"smart/grant":      {"go.mongodb.org/mongo-driver/v2"},
	"smart/access":     {},
	"smart/account":    {"go.mongodb.org/mongo-driver/v2", "golang.org/x/crypto", "golang.org/x/text"},
	"smart/authorize":  {"go.mongodb.org/mongo-driver/v2"},
	"smart/client":     {"github.com/go-jose/go-jose/v4", "go.mongodb.org/mongo-driver/v2"},
	"smart/guard":      {"github.com/go-json-experiment/json"},
	"smart/jwks":       {"github.com/go-jose/go-jose/v4"},
	"smart/oauth":      {},
	"smart/people":     {},
	"smart/pages":      {"go.mongodb.org/mongo-driver/v2", "go.yaml.in/yaml/v3", "golang.org/x/text"},
	"smart/policy":     {"go.yaml.in/yaml/v3"},
	"smart/scope":      {},
	"smart/server":     {"github.com/gorilla/mux"},
	"smart/signing":    {"github.com/go-jose/go-jose/v4", "go.mongodb.org/mongo-driver/v2"},
	"smart/token":      {"go.mongodb.org/mongo-driver/v2"},
	"smart/upstream":   {"github.com/coreos/go-oidc/v3", "golang.org/x/oauth2", "go.mongodb.org/mongo-driver/v2"},
	"fhir/terminology": {},
	"store":            {"go.mongodb.org/mongo-driver/v2", "golang.org/x/text"},
	"store/memory":     {"go.mongodb.org/mongo-driver/v2"},
	"store/mongo":      {"go.mongodb.org/mongo-driver/v2", "golang.org/x/text"},
	"store/sqlite":     {"go.mongodb.org/mongo-driver/v2", "modernc.org/sqlite", "modernc.org/libc", "golang.org/x/sys"},
	"testdata/clinic":  {"go.mongodb.org/mongo-driver/v2"},
}

// unlinked may not be in the product's binary, directly or through others.
var unlinked = []string{
	"github.com/FerretDB", "github.com/google/fhir",
	"github.com/google/go-cmp", "pgregory.net/rapid", "github.com/rogpeppe", "github.com/chromedp", "testing",
}

// goList runs go list and gives the lines it prints.
func goList(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return strings.Fields(string(out))
}

func layerOf(pkg string) int {
	return slices.IndexFunc(layers, func(l []string) bool { return slices.Contains(l, pkg) })
}

func TestImportsPointDownward(t *testing.T) {
	t.Parallel()
	for _, line := range goList(t, "-f", `{{.ImportPath}}{{range .Imports}},{{.}}{{end}}`, "./...") {
		imports := strings.Split(line, ",")
		pkg := strings.TrimPrefix(imports[0], module+"/")
		if pkg == module || slices.Contains(exceptions, pkg) {
			continue
		}
		layer := layerOf(pkg)
		if layer < 0 {
			t.Errorf("%s is in no layer: add it to the list in this file and to ARCHITECTURE.md", pkg)
			continue
		}
		for _, imp := range imports[1:] {
			ours, ok := strings.CutPrefix(imp, module+"/")
			if !ok {
				checkModule(t, pkg, imp)
				continue
			}
			if slices.Contains(exceptions, ours) || layerOf(ours) < layer || (layerOf(ours) == layer && !strings.HasPrefix(ours, pkg+"/")) {
				t.Errorf("%s imports %s: imports point downward only", pkg, ours)
			}
		}
	}
}

// checkModule complains when pkg imports something that is neither of the
// standard library nor on its list.
func checkModule(t *testing.T, pkg, imp string) {
	t.Helper()
	host, _, _ := strings.Cut(imp, "/")
	if !strings.Contains(host, ".") {
		return
	}
	for _, m := range allowed[pkg] {
		if imp == m || strings.HasPrefix(imp, m+"/") {
			return
		}
	}
	t.Errorf("%s imports %s, which is not on its list of modules", pkg, imp)
}

func TestTheBinaryHoldsNothingOfTheTests(t *testing.T) {
	t.Parallel()
	for _, dep := range goList(t, "-deps", "./cmd/portico") {
		for _, no := range unlinked {
			if dep == no || strings.HasPrefix(dep, no+"/") {
				t.Errorf("the product's binary links %s", dep)
			}
		}
	}
}
