package exact

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

// population is how many resources a round has at most, and rounds the searches
// over them.
const (
	population = 10
	searches   = 12
)

func TestG7_17_RandomSearchesFindWhatTheSpecificationSays(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	all := Attributes()
	types := slices.Sorted(func(yield func(string) bool) {
		for typ := range all {
			if !yield(typ) {
				return
			}
		}
	})
	backends.Each(t, func(t *testing.T, name string, st store.Store) {
		found := 0
		rounds := 0
		rapid.Check(t, func(rt *rapid.T) {
			if rounds++; name == "mongo" && rounds > 15 {
				return // a round takes a second on the test server
			}
			found += round(rt, st, berlin, rapid.SampledFrom(types).Draw(rt, "type"), all)
		})
		if found < rounds && name != "mongo" {
			t.Errorf("%d rounds found %d resources: too few to tell", rounds, found)
		}
	})
}

// round fills the store and searches. It gives how many were found. The
// resources are those of the round before, changed.
func round(t *rapid.T, st store.Store, zone *time.Location, typ string, all map[string][]Attribute) (found int) {
	s := newServer(t, st, zone)
	src := source{t}
	there := map[string]Object{}
	for i := range population {
		r := Resource{Type: typ, ID: id(i)}
		if i >= population/2 && src.chance() {
			if err := s.remove(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			continue
		}
		body, err := json.Marshal(src.resource(typ))
		if err != nil {
			t.Fatal(err)
		}
		r.Body = string(body)
		if err := s.put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		there[r.ID] = decode(t, bytes.ReplaceAll(body, []byte(base+"/"), nil))
	}
	for range searches {
		found += compare(t, s, typ, all[typ], there)
	}
	return found
}

func decode(t *rapid.T, body []byte) Object {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var r Object
	if err := d.Decode(&r); err != nil {
		t.Fatal(err)
	}
	return r
}

// compare sends one random search.
func compare(t *rapid.T, s *server, typ string, attributes []Attribute, there map[string]Object) int {
	src := source{t}
	want := map[string]bool{}
	for id := range there {
		want[id] = true
	}
	var params []search.Pair
	for range rapid.IntRange(0, 3).Draw(t, "criteria") {
		a, modifier, value := src.criterion(attributes)
		name := a.Name
		if modifier != "" {
			name += ":" + modifier
		}
		params = append(params, search.Pair{Name: name, Value: value})
		for id, r := range there {
			want[id] = want[id] && a.Holds(r, modifier, strings.ReplaceAll(value, base+"/", ""), Clock{s.zone, now})
		}
	}
	if rapid.IntRange(0, 7).Draw(t, "ids") == 0 {
		ids := []string{id(0), id(3), id(7), "nosuch"}
		params = append(params, search.Pair{Name: "_id", Value: strings.Join(ids, ",")})
		for id := range want {
			want[id] = want[id] && slices.Contains(ids, id)
		}
	}
	var expected []string
	for id, yes := range want {
		if yes {
			expected = append(expected, id)
		}
	}
	slices.Sort(expected)
	sorts := append([]string{"", "", "_id", "-_id", "_lastUpdated", "-_lastUpdated,_id"}, sortable(s.Describe(fhir.Type(typ)), attributes)...)
	order := src.of(sorts)
	asked := slices.Clone(params)
	if order != "" {
		asked = append(asked, search.Pair{Name: "_sort", Value: order})
	}
	asked = append(asked, search.Pair{Name: "_count", Value: src.of([]string{"1", "2", "3", "5", "20"})}, search.Pair{Name: "_total", Value: "accurate"})
	got, total, err := s.find(t.Context(), fhir.Type(typ), asked)
	if err != nil {
		t.Fatalf("%s %v: %v", typ, asked, err)
	}
	if total == nil || *total != int64(len(expected)) {
		t.Errorf("%s %q: total %v, want %d", typ, asked, *total, len(expected))
	}
	if sorted := slices.Sorted(slices.Values(got)); !slices.Equal(sorted, expected) {
		t.Errorf("%s %q: found %v, want %v", typ, asked, sorted, expected)
		for id, r := range there {
			if slices.Contains(sorted, id) != slices.Contains(expected, id) {
				text, _ := json.Marshal(r)
				t.Logf("%s: %s", id, text)
			}
		}
	}
	if order == "_id" && !slices.IsSorted(got) {
		t.Errorf("%s %q: in order %v", typ, asked, got)
	}
	if order != "" && !strings.Contains(order, "_") && !inOrder(got, order, there, attributes, s.zone) {
		t.Errorf("%s %q: in order %v", typ, asked, got)
		for _, id := range got {
			text, _ := json.Marshal(there[id])
			t.Logf("%s: %s", id, text)
		}
	}
	return len(got)
}
