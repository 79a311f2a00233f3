package purge_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/invariant"
	"github.com/portico-fhir/portico/fhir/operation"
	"github.com/portico-fhir/portico/fhir/purge"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
)

var key = fhir.Key{Type: "Basic", ID: "a"}

// versions makes three of one resource.
func versions(t *testing.T, st store.Store) *record.Repository {
	t.Helper()
	r := &record.Repository{Store: st}
	for _, text := range []string{"1", "2", "3"} {
		body := []byte(`{"resourceType":"Basic","code":{"text":"` + text + `"}}`)
		if _, err := r.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: key, Body: body}}); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// events gives the AuditEvents that there are.
func events(t *testing.T, r *record.Repository) []fhir.Resource {
	t.Helper()
	page, err := r.Search(t.Context(), &fhir.Query{Type: "AuditEvent", Count: 10})
	if err != nil {
		t.Fatal(err)
	}
	return page.Resources
}

func TestG1_4_APurgeIsAudited(t *testing.T) {
	t.Parallel()
	log := new(bytes.Buffer)
	r := versions(t, memory.New())
	s := &purge.Purger{Records: r, Log: slog.New(slog.NewJSONHandler(log, nil))}
	what := record.Purge{Key: key, Before: time.Now().Add(time.Hour), DryRun: true}
	if sum, err := s.Run(t.Context(), "amy", what); err != nil || sum.Versions != 2 || len(events(t, r)) != 0 || log.Len() != 0 {
		t.Errorf("a dry run: %+v, %v, logged %s", sum, err, log)
	}
	what.DryRun = false
	if sum, err := s.Run(t.Context(), "amy", what); err != nil || sum.Versions != 2 {
		t.Fatalf("%+v, %v", sum, err)
	}
	if line := log.String(); !strings.Contains(line, `"by":"amy","what":"Basic/a"`) || !strings.Contains(line, `"versions":2`) {
		t.Errorf("logged %s", line)
	}
	found := events(t, r)
	if len(found) != 1 || found[0].Version != "2" {
		t.Fatalf("%d events", len(found))
	}
	validator := &invariant.Validator{Schema: &schema.Validator{}}
	for _, version := range []string{"1", "2"} {
		res, err := r.Version(t.Context(), found[0].Key, version)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := validator.Validate(res.Body, "AuditEvent"); err != nil {
			t.Errorf("version %s is not valid: %v", version, err)
		}
		if done := strings.Contains(string(res.Body), `"outcome":"0"`); done != (version == "2") {
			t.Errorf("version %s: %s", version, res.Body)
		}
	}
}

// broken is a store that removes nothing.
type broken struct{ store.Store }

// Apply implements store.Store.
func (b broken) Apply(ctx context.Context, ops []store.Op) error {
	for _, op := range ops {
		if op.Kind == store.Delete {
			return store.ErrUnavailable
		}
	}
	return b.Store.Apply(ctx, ops)
}

func TestG1_4_APurgeThatFailsSaysSo(t *testing.T) {
	t.Parallel()
	r := versions(t, broken{memory.New()})
	s := &purge.Purger{Records: r}
	if _, err := s.Run(t.Context(), "amy", record.Purge{Before: time.Now().Add(time.Hour)}); err == nil {
		t.Fatal("no error")
	}
	if found := events(t, r); len(found) != 1 || !strings.Contains(string(found[0].Body), `"outcome":"8"`) {
		t.Errorf("%v", found)
	}
}

func TestG1_4_TheOperationPurge(t *testing.T) {
	t.Parallel()
	r := versions(t, memory.New())
	var no error
	o := &operation.Operations{
		Repository: r, Search: &search.Parser{Describe: r.Describe},
		More: (&purge.Purger{Records: r}).Operations([]fhir.Type{"Basic"}, func(_ context.Context, t fhir.Type) (string, error) { return "amy, for " + string(t), no }),
	}
	run := func(key fhir.Key, params ...string) (map[string]any, fhir.IssueCode) {
		d, err := o.Find("Basic", r.Describe("Basic"), "purge", true)
		if err != nil || !d.Writes {
			t.Fatal(err, d.Writes)
		}
		c := operation.Call{Key: key}
		for i := 0; i < len(params); i += 2 {
			c.Params = append(c.Params, search.Pair{Name: params[i], Value: params[i+1]})
		}
		result, err := o.Run(t.Context(), d, c)
		var told *fhir.Error
		if errors.As(err, &told) {
			return nil, told.Code()
		}
		if err != nil {
			t.Fatal(err)
		}
		var p struct {
			Parameter []map[string]any
		}
		if err := json.Unmarshal(result.Parameters, &p); err != nil {
			t.Fatal(err)
		}
		said := map[string]any{}
		for _, one := range p.Parameter {
			for name, value := range one {
				if name != "name" {
					said[one["name"].(string)] = value
				}
			}
		}
		return said, ""
	}
	later := fhir.FormatInstant(time.Now().Add(time.Hour))
	if said, code := run(key, "before", later, "dryRun", "true"); code != "" || said["versions"] != 2.0 || said["dryRun"] != true {
		t.Errorf("a dry run: %v %s", said, code)
	}
	if said, code := run(key, "before", later); code != "" || said["versions"] != 2.0 {
		t.Errorf("%v %s", said, code)
	}
	if found := events(t, r); len(found) != 1 || !strings.Contains(string(found[0].Body), `"display":"amy, for Basic"`) {
		t.Errorf("it is not said who did it: %v", found)
	}
	for _, bad := range [][]string{{}, {"before", "yesterday"}, {"before", later, "deleted", "yes"}, {"before", later, "all", "true"}} {
		if _, code := run(key, bad...); code != fhir.CodeInvalid && code != fhir.CodeRequired {
			t.Errorf("%v: %s", bad, code)
		}
	}
	if _, code := run(fhir.Key{Type: "Basic", ID: "never"}, "before", later); code != fhir.CodeNotFound {
		t.Errorf("a resource that never was: %s", code)
	}
	no = fhir.Errorf(fhir.CodeForbidden, "", "No.")
	if _, code := run(key, "before", later); code != fhir.CodeForbidden {
		t.Errorf("when it is not allowed: %s", code)
	}
}
