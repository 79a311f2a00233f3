package bundle_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store/memory"
	"github.com/portico-fhir/portico/store/storetest"
)

// TestWhicheverStoreOperationFails fails the first, second, third … operation of a
// transaction until none fails: each time nothing has happened, and the same
// transaction succeeds afterwards.
func TestWhicheverStoreOperationFails(t *testing.T) {
	t.Parallel()
	put := func(id, text string) string {
		return entry("", `{"resourceType":"Basic","id":"`+id+`","code":{"text":"`+text+`"}}`, "PUT", "Basic/"+id)
	}
	patch := `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Basic.code.text"},{"name":"value","valueString":"after"}]}]}`
	scenario := []string{
		entry(urn, patient(`,"identifier":[{"value":"one"}]`), "POST", "Patient", "ifNoneExist", "identifier=one"),
		entry("", basicAbout(urn), "PUT", "Basic?author=Patient/none"),
		entry("", patch, "PATCH", "Basic/patched"),
		put("updated", "after"),
		entry("", "", "DELETE", "Basic/deleted"),
	}
	for n := 1; ; n++ {
		if n > 100 {
			t.Fatal("the transaction never gets through")
		}
		f := &storetest.Failing{Store: memory.New()}
		e := newEnv(t, f)
		e.must(t, put("patched", "before"), put("updated", "before"), put("deleted", "before"))
		f.Calls, f.N = 0, n
		_, err := e.transact(t, scenario...)
		f.N = 0
		if err == nil {
			if n < 5 {
				t.Fatalf("only %d operations failed", n-1)
			}
			return
		}
		if codeOf(err) != fhir.CodeTransient {
			t.Errorf("operation %d: %v", n, err)
		}
		if got := e.state(t); got != "deleted: before, patched: before, updated: before, 0 patients" {
			t.Errorf("G4.1 operation %d failed, and left %s", n, got)
		}
		e.must(t, scenario...)
		if got := e.state(t); got != "patched: after, updated: after, x, 1 patients" {
			t.Errorf("G4.1 after operation %d had failed: %s", n, got)
		}
	}
}

// state tells what is there.
func (e *env) state(t *testing.T) string {
	t.Helper()
	var all []string
	page, err := e.repo.Search(t.Context(), &fhir.Query{Type: "Basic", Count: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"deleted", "patched", "updated", ""} {
		for _, res := range page.Resources {
			_, text, _ := strings.Cut(string(res.Body), `"code":{"text":"`)
			text, _, _ = strings.Cut(text, `"`)
			switch {
			case res.ID == id:
				all = append(all, id+": "+text)
			case id == "" && len(res.ID) > 10:
				all = append(all, text)
			}
		}
	}
	patients, err := e.repo.Search(t.Context(), &fhir.Query{Type: "Patient", Count: 100})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(append(all, fmt.Sprint(len(patients.Resources))+" patients"), ", ")
}
