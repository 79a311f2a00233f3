package bench

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFormsOfSearchAreMeasuredOnMadeUpRecords(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	got := rows(t, "--size", "50")
	if r := got["load-records"]; r.Ops != 50 || r.Rate <= 0 || r.Size < 500 || r.Disk != r.Size {
		t.Errorf("the load: %+v", r)
	}
	want := shapes(&samples{families: []string{"a", "b", "c"}})
	if len(want) < 30 || len(got) != len(want)+2 {
		t.Errorf("%d of %d forms", len(got)-2, len(want))
	}
	for _, sh := range want {
		r := got[sh.name]
		switch sh.name {
		case "observations-by-family":
			if !strings.Contains(r.Skipped, "400") {
				t.Errorf("what the server refuses is not left out: %+v", r)
			}
		default:
			if r.Ops < 1 || r.P50 <= 0 || r.Budget != sh.budget {
				t.Errorf("%s: %+v", sh.name, r)
			}
		}
	}
	if got["by-patient"].Entries != 20 || got["metadata"].Entries != 0 {
		t.Errorf("entries: %+v, %+v", got["by-patient"], got["metadata"])
	}
	if r := got["by-patient"]; r.Keys != 2 || r.Docs != 2 || r.Allocs != 120.5 || got["read"].Allocs != 0 || got["metadata"].Allocs != 0 || got["observations"].Allocs != 120.5 {
		t.Errorf("what is explained: %+v", r)
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) > 0 {
		t.Errorf("it leaves %v behind (%v)", left, err)
	}
}

func TestDataKeepsTheRecords(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "records")
	args := []string{"--size", "50", "--data", data}
	if first := rows(t, args...); first["load-records"].Ops != 50 || first["mixed"].Entries == 0 {
		t.Errorf("the first run: %+v", first)
	}
	if second := rows(t, args...); second["load-records"].Ops != 0 || second["mixed"].Ops == 0 {
		t.Errorf("what is there is loaded again, or not measured: %+v", second)
	}
}

func TestGenWritesRecords(t *testing.T) {
	t.Parallel()
	gen := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		if err := Main(t.Context(), append([]string{"gen"}, args...), &out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	seven := gen("--count", "60", "--seed", "7")
	if strings.Count(seven, "\n") != 60 || seven == gen("--count", "60") {
		t.Errorf("%d lines, or the seed does not matter", strings.Count(seven, "\n"))
	}
	file := filepath.Join(t.TempDir(), "records.ndjson")
	if out := gen("--count", "60", "--seed", "7", "-o", file); out != "" {
		t.Errorf("with -o it prints %q", out)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != seven {
		t.Errorf("the file is not what it prints (%v)", err)
	}
	if usage := gen("-h"); !strings.Contains(usage, "-seed") {
		t.Errorf("usage: %q", usage)
	}
	for _, args := range [][]string{{"x"}, {"--count", "0"}, {"--count", "2000000000"}, {"--seed", "-1"}, {"-o", filepath.Join(t.TempDir(), "no", "file")}} {
		if err := Main(t.Context(), append([]string{"gen"}, args...), &bytes.Buffer{}); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}
