package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"portico": main})
}

// TestScripts runs the command lines in testdata/script against this program.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	broken := dir + "/broken.yaml"
	if err := os.WriteFile(broken, []byte("chartmap: ["), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		claim string
		args  string
		code  int
		says  string
	}{
		{"nothing to do is wrong use", "", 2, "serve, load, chart, explain, reindex, backup, purge, review, user, client, keys, bench, version"},
		{"an unknown subcommand is wrong use", "sevre", 2, `no subcommand "sevre"`},
		{"what a subcommand does not do", "user invite amy", 2, "There are: add, list"},
		{"user without a word is wrong use", "user", 2, "add, list, passwd, disable, enable"},
		{"an unknown word of client is wrong use", "client ad", 2, "add, list, remove"},
		{"chart without a word is wrong use", "chart", 2, "lint, test, explain, coverage, doctor, infer"},
		{"an unknown flag is wrong use", "serve --lisen x", 2, "portico serve -h"},
		{"an argument too many is wrong use", "serve now", 2, `"now"`},
		{"open to the network is refused", "serve --auth off --store memory: --listen 0.0.0.0:8080", 2, "loopback"},
		{"SMART for the network wants TLS", "serve --listen :0 --base-url http://clinic.example.org --store memory:", 2, "https"},
		{"nobody could sign in", "serve --store memory: --config testdata/nobody.yaml", 2, "nobody could sign in"},
		{"a demo for the network is refused", "serve --demo --store memory: --listen :8080", 2, "loopback"},
		{"an unknown store is wrong use", "serve --auth off --store postgres://x", 2, "sqlite:DIR"},
		{"a missing configuration is wrong use", "serve --config " + dir + "/none.yaml", 2, "none.yaml"},
		{"a store that cannot be opened is a failure", "serve --auth off --listen 127.0.0.1:0 --store sqlite:/dev/null/x", 1, "/dev/null/x"},
		{"a chart map that is not there is a failure", "serve --auth off --listen 127.0.0.1:0 --store memory: --chart " + dir + "/none.yaml", 1, "none.yaml"},
		{"nothing to load is wrong use", "load --store sqlite:" + dir, 2, "name the files"},
		{"a file that is not there is a failure", "load --store sqlite:" + dir + "/s " + dir + "/none.json", 1, "none.json"},
		{"loading into memory is wrong use", "load --store memory: x", 2, "sqlite:DIR or mongodb"},
		{"a broken chart map is a failure", "chart lint " + broken, 1, "broken.yaml:1:"},
		{"no chart map is wrong use", "chart lint", 2, "name one chart map"},
	} {
		t.Run(c.claim, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			err := run(t.Context(), strings.Fields(c.args), func(string) string { return "" }, streams{strings.NewReader(""), &out, &errs})
			code := report(&errs, err)
			if said := out.String() + errs.String(); code != c.code || !strings.Contains(said, c.says) {
				t.Errorf("exit %d, want %d with %q: %s", code, c.code, c.says, said)
			}
		})
	}
}
