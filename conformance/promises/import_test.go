package promises

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/bench/records"
	"github.com/portico-fhir/portico/conformance/program"
)

// TestImportTwice posts a transaction of many resources that refer to each other,
// and the same again with the same Idempotency-Key.
func TestImportTwice(t *testing.T) {
	t.Parallel()
	const resources = 300
	var lines bytes.Buffer
	if err := (&records.Generator{Count: resources, Seed: 7}).Write(t.Context(), &lines); err != nil {
		t.Fatal(err)
	}
	var entries []string
	kinds := map[string]int{}
	for line := range strings.Lines(lines.String()) {
		var r basic
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		kinds[r.ResourceType]++
		entries = append(entries, fmt.Sprintf(`{"fullUrl":"http://elsewhere.example/fhir/%s","resource":%s,"request":{"method":"POST","url":%q}}`,
			r.key(), strings.TrimSpace(line), r.ResourceType))
	}
	body := transaction(entries...)
	onEach(t, func(t *testing.T, flags []string) {
		s := program.Start(t, binary, flags...)
		c := newClient(s.Base)
		defer c.close()
		t.Run("G4.5 P5 a large transaction that is sent twice is carried out once", func(t *testing.T) {
			first := c.must(t, http.StatusOK, http.MethodPost, "", body, "Idempotency-Key", "import")
			again := c.must(t, http.StatusOK, http.MethodPost, "", body, "Idempotency-Key", "import")
			if !bytes.Equal(first.body, again.body) {
				t.Errorf("first\n%.500s\nthen\n%.500s", first.body, again.body)
			}
			var b bundle
			first.into(t, &b)
			if len(b.Entry) != len(entries) {
				t.Fatalf("%d answers to %d entries", len(b.Entry), len(entries))
			}
			for kind, n := range kinds {
				var found bundle
				c.must(t, http.StatusOK, http.MethodGet, kind+"?_summary=count", "").into(t, &found)
				if found.Total == nil || *found.Total != n {
					t.Errorf("%v of %d resources of type %s", found.Total, n, kind)
				}
			}
			if a := c.must(t, http.StatusOK, http.MethodGet, "Encounter?_count=5", ""); bytes.Contains(a.body, []byte("elsewhere.example")) {
				t.Errorf("references lead elsewhere: %.500s", a.body)
			}
			c.must(t, http.StatusUnprocessableEntity, http.MethodPost, "", strings.Replace(body, "finished", "planned", 1), "Idempotency-Key", "import")
		})
	})
}
