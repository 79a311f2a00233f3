package load_test

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
)

// TestSyntheaComesBackAsItWent loads real bundles, gzipped, from the directory
// that PORTICO_TEST_SYNTHEA names.
func TestSyntheaComesBackAsItWent(t *testing.T) {
	t.Parallel()
	root := os.Getenv("PORTICO_TEST_SYNTHEA")
	if root == "" {
		t.Skip("PORTICO_TEST_SYNTHEA names no directory")
	}
	files, err := filepath.Glob(filepath.Join(root, "*.json.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", root, err)
	}
	b := newBench()
	b.Batch = 0
	sum, err := b.Paths(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	b.want(t)

	entries := 0
	want := map[fhir.Key]any{} // the last of each id
	for _, f := range files {
		list := entriesOf(t, f)
		entries += len(list)
		keys := map[string]string{}
		for _, e := range list {
			keys[e.FullURL] = str(e.Resource["resourceType"]) + "/" + str(e.Resource["id"])
		}
		for _, e := range list {
			key := fhir.Key{Type: fhir.Type(str(e.Resource["resourceType"])), ID: str(e.Resource["id"])}
			want[key] = withoutMeta(pointed("", e.Resource, keys))
		}
	}
	if total := sum.Total(); total.Created != len(want) || sum.Resources() != entries {
		t.Errorf("%+v of %d entries with %d ids", total, entries, len(want))
	}
	for key, w := range want {
		var got any
		decode(t, b.body(t, key.Type, key.ID), &got)
		if diff := cmp.Diff(w, withoutMeta(got)); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", key, diff)
		}
	}
}

type syntheaEntry struct {
	FullURL  string         `json:"fullUrl"`
	Resource map[string]any `json:"resource"`
}

func entriesOf(t *testing.T, path string) []syntheaEntry {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unzip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var bundle struct{ Entry []syntheaEntry }
	dec := json.NewDecoder(unzip)
	dec.UseNumber()
	if err := dec.Decode(&bundle); err != nil {
		t.Fatal(err)
	}
	return bundle.Entry
}

func decode(t *testing.T, body string, v any) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(body))
	dec.UseNumber() // decimals keep their text
	if err := dec.Decode(v); err != nil {
		t.Error(err)
	}
}

// pointed replaces the references.
func pointed(name string, v any, keys map[string]string) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[k] = pointed(k, e, keys)
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			out = append(out, pointed(name, e, keys))
		}
		return out
	case string:
		if to, ok := keys[v]; ok && name == "reference" {
			return to
		}
	}
	return v
}

func withoutMeta(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	delete(m, "meta")
	return m
}

func str(v any) string {
	s, _ := v.(string)
	return s
}
