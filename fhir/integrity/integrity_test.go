package integrity_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/fhir/integrity"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

const base = "http://localhost/fhir"

func enforced(st store.Store) *integrity.Repository {
	return &integrity.Repository{
		Repository: &record.Repository{Store: st, Base: base}, Store: st, Base: base,
		Policy: integrity.Policy{Default: true, Types: map[fhir.Type]bool{"Basic": false}},
	}
}

func key(s string) fhir.Key {
	typ, id, _ := strings.Cut(s, "/")
	return fhir.Key{Type: fhir.Type(typ), ID: id}
}

// put writes Type/id with a subject and an author.
func put(name, subject string, more ...string) fhir.Change {
	body := fmt.Sprintf(`{"resourceType":%q,"id":%q`, key(name).Type, key(name).ID)
	if subject != "" {
		body += fmt.Sprintf(`,"subject":{"reference":%q}`, subject)
	}
	return fhir.Change{Method: fhir.Put, Key: key(name), Body: []byte(body + strings.Join(more, "") + "}")}
}

func remove(name string) fhir.Change { return fhir.Change{Method: fhir.Delete, Key: key(name)} }

func TestG2_10_ReferencesMustLeadSomewhere(t *testing.T) {
	at := func(path string) string { return string(fhir.CodeBusinessRule) + " " + path }
	inUse := string(fhir.CodeInUse) + " "
	for _, tt := range []struct {
		claim   string
		changes []fhir.Change
		want    string // code and path of the error
		blamed  int
	}{
		{"to what is there", []fhir.Change{put("Observation/a", "Patient/p")}, "", 0},
		{"to what is there, absolute", []fhir.Change{put("Observation/a", base+"/Patient/p")}, "", 0},
		{"to nothing", []fhir.Change{put("Observation/a", "Patient/nobody")}, at("Observation.subject"), 0},
		{"to nothing, absolute", []fhir.Change{put("Observation/a", base+"/Patient/nobody")}, at("Observation.subject"), 0},
		{"to nothing, in a list", []fhir.Change{put("Observation/a", "Patient/p", `,"performer":[{"reference":"Patient/p"},{"reference":"Practitioner/x"}]`)}, at("Observation.performer[1]"), 0},
		{"to nothing, in an extension", []fhir.Change{put("Observation/a", "Patient/p", `,"extension":[{"url":"u","valueReference":{"reference":"Basic/x"}}]`)}, at("Observation.extension[0].valueReference"), 0},
		{"to nothing, in a contained resource", []fhir.Change{put("Observation/a", "Patient/p", `,"contained":[{"resourceType":"Provenance","target":[{"reference":"Basic/x"}]}]`)}, at("Observation.contained[0].target[0]"), 0},
		{"to what was deleted", []fhir.Change{put("Observation/a", "Patient/gone")}, at("Observation.subject"), 0},
		{"to a version that is there", []fhir.Change{put("Provenance/a", "Patient/p/_history/1")}, "", 0},
		{"to a version that is not", []fhir.Change{put("Provenance/a", "Patient/p/_history/7")}, at("Provenance.subject"), 0},
		{"to a version of what was deleted", []fhir.Change{put("Provenance/a", "Patient/gone/_history/1")}, "", 0},
		{"elsewhere, within, by urn and logical", []fhir.Change{put("Observation/a", "https://other.example.org/fhir/Patient/x", `,"performer":[{"reference":"#x"},{"reference":"urn:uuid:0b9ea1f5-4c1c-4a5e-9d3f-2f1a7f3b9a01"},{"identifier":{"value":"Patient/x"}}]`)}, "", 0},
		{"no Reference at all", []fhir.Change{put("Observation/a", "Patient/p", `,"note":[{"text":"Patient/nobody"}],"reference":{"value":"Patient/nobody"}`)}, "", 0},
		{"of a type that is not enforced", []fhir.Change{put("Basic/a", "Patient/nobody")}, "", 0},
		{"to what is written with it, either way round", []fhir.Change{put("Observation/a", "Patient/q"), put("Patient/q", "Observation/a")}, "", 0},
		{"to what is deleted with it", []fhir.Change{put("Basic/a", ""), put("Observation/a", "Patient/free"), remove("Patient/free")}, at("Observation.subject"), 1},
		{"a deletion of what something refers to", []fhir.Change{put("Basic/a", ""), remove("Patient/p")}, inUse, 1},
		{"a deletion of what only a version is referred to of", []fhir.Change{remove("Patient/free")}, "", 0},
		{"a deletion of what a type that is not enforced refers to", []fhir.Change{remove("Patient/loose")}, "", 0},
		{"a deletion with all that refers to it", []fhir.Change{remove("Patient/p"), remove("Observation/o")}, "", 0},
		{"a deletion with a change of what refers to it", []fhir.Change{remove("Patient/p"), put("Observation/o", "Patient/free")}, "", 0},
		{"a deletion with a change that still refers to it", []fhir.Change{remove("Patient/p"), put("Observation/o", "Patient/p", `,"status":"final"`)}, at("Observation.subject"), 1},
		{"to itself", []fhir.Change{put("Patient/self", "Patient/self")}, "", 0},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			backends.Each(t, func(t *testing.T, _ string, st store.Store) {
				r := enforced(st)
				before := [][]fhir.Change{
					{put("Patient/p", ""), put("Patient/gone", ""), put("Patient/free", ""), put("Patient/loose", "")},
					{put("Observation/o", "Patient/p"), put("Provenance/o", "", `,"target":[{"reference":"Patient/free/_history/1"}]`), put("Basic/b", "Patient/loose"), remove("Patient/gone")},
				}
				for _, changes := range before {
					if _, err := r.Commit(t.Context(), changes); err != nil {
						t.Fatal(err)
					}
				}
				_, rehearsed := r.Commit(commit.Rehearse(t.Context()), tt.changes)
				_, err := r.Commit(t.Context(), tt.changes)
				if (rehearsed == nil) != (err == nil) || err != nil && err.Error() != rehearsed.Error() {
					t.Errorf("G8.2 rehearsed it gives %v, and then %v", rehearsed, err)
				}
				got := ""
				var told *fhir.Error
				var blamed *commit.Blamed
				switch {
				case errors.As(err, &told) && errors.As(err, &blamed):
					got = string(told.Code()) + " " + told.Issues[0].Path
					if blamed.Change != tt.blamed {
						t.Errorf("G2.10 change %d is blamed, not %d", blamed.Change, tt.blamed)
					}
				case err != nil:
					t.Fatal(err)
				}
				if got != tt.want {
					t.Errorf("G2.10 %q (%v), want %q", got, err, tt.want)
				}
				last := tt.changes[len(tt.changes)-1]
				_, err = r.Read(t.Context(), last.Key)
				if there := err == nil; got == "" && there != (last.Method == fhir.Put) {
					t.Errorf("%s afterwards: %v", last.Key, err)
				}
			})
		})
	}
}

func TestG2_10_WhoRefersIsNamedOnlyToThoseWhoMayKnow(t *testing.T) {
	t.Parallel()
	backends.Each(t, func(t *testing.T, _ string, st store.Store) {
		r := enforced(st)
		if _, err := r.Commit(t.Context(), []fhir.Change{put("Patient/p", ""), put("Observation/secret", "Patient/p")}); err != nil {
			t.Fatal(err)
		}
		for _, visible := range []bool{true, false} {
			r.Visible = func(context.Context, fhir.Key) bool { return visible }
			_, err := r.Commit(t.Context(), []fhir.Change{remove("Patient/p")})
			if err == nil || strings.Contains(err.Error(), "secret") != visible {
				t.Errorf("visible %v: %v", visible, err)
			}
		}
	})
}

// slow is a store that takes its time before it writes.
type slow struct{ store.Store }

// Apply implements store.Store.
func (s slow) Apply(ctx context.Context, ops []store.Op) error {
	time.Sleep(rand.N(3 * time.Millisecond))
	return s.Store.Apply(ctx, ops)
}

// TestG2_10_OfAReferenceAndADeletionOneFails has two nodes write at the same time, one a resource
// that refers to what the other deletes.
func TestG2_10_OfAReferenceAndADeletionOneFails(t *testing.T) {
	t.Parallel()
	backends.Each(t, func(t *testing.T, _ string, st store.Store) {
		nodes := []*integrity.Repository{enforced(slow{st}), enforced(slow{st})}
		outcomes := map[string]int{}
		for n := range 40 {
			patient := fmt.Sprintf("Patient/p%d", n)
			if _, err := nodes[0].Commit(t.Context(), []fhir.Change{put(patient, "")}); err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for i, changes := range [][]fhir.Change{
				{put(fmt.Sprintf("Observation/a%d", n), patient)},
				{remove(patient)},
				{put(fmt.Sprintf("Observation/b%d", n), patient)},
			} {
				wg.Go(func() {
					_, err := nodes[i%2].Commit(t.Context(), changes)
					var told *fhir.Error
					if err != nil && (!errors.As(err, &told) || told.Code() != fhir.CodeBusinessRule && told.Code() != fhir.CodeInUse) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			_, gone := nodes[0].Read(t.Context(), key(patient))
			for _, name := range []string{"a", "b"} {
				_, missing := nodes[0].Read(t.Context(), key(fmt.Sprintf("Observation/%s%d", name, n)))
				if missing == nil && gone != nil {
					t.Fatalf("G2.10 Observation/%s%d refers to a deleted patient", name, n)
				}
				outcomes[fmt.Sprint("deleted ", gone != nil, ", written ", missing == nil)]++
			}
		}
		t.Log(outcomes)
	})
}
