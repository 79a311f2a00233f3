package exact

import (
	"bytes"
	"encoding/json"
	"maps"
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
	for typ := range all {
		all[typ] = append(all[typ], OwnAttributes()[typ]...)
		all[typ] = append(all[typ], Attribute{Name: "_text", Kind: "words", Values: narrative}, Attribute{Name: "_content", Kind: "words", Values: content})
	}
	types := slices.Sorted(maps.Keys(all))
	backends.Each(t, func(t *testing.T, name string, st store.Store) {
		s := newServer(t, st, berlin)
		define(t, s, customs())
		for _, r := range Terminology() {
			if err := s.put(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
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

// world are the resources that there are, by type and id.
type world map[string]map[string]Object

// linked are the types to which references lead in the world, and the parameters by which
// others of them refer to each.
func linked() map[string][][2]string {
	return map[string][][2]string{
		"Patient": {{"Encounter", "subject"}, {"Encounter", "patient"}, {"Patient", "friend"}}, "Practitioner": {{"Patient", "general-practitioner"}, {"Encounter", "participant"}},
		"Organization": {{"Patient", "organization"}, {"Organization", "partof"}, {"Location", "organization"}}, "Location": {{"Encounter", "location"}}, "Encounter": nil,
	}
}

// links reports whether references lead to a type.
func links(typ string) bool {
	_, ok := linked()[typ]
	return ok
}

// round fills the store and searches. It gives how many were found. The
// resources are those of the round before, changed.
func round(t *rapid.T, st store.Store, zone *time.Location, typ string, all map[string][]Attribute) (found int) {
	s := newServer(t, st, zone)
	src := source{t}
	w := world{}
	put := func(typ, id string) {
		body, err := json.Marshal(src.resource(typ))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.put(t.Context(), Resource{typ, id, string(body)}); err != nil {
			t.Fatal(err)
		}
		if w[typ] == nil {
			w[typ] = map[string]Object{}
		}
		w[typ][id] = decode(t, bytes.ReplaceAll(body, []byte(base+"/"), nil))
	}
	remove := func(typ, id string) {
		if err := s.remove(t.Context(), Resource{Type: typ, ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	for other := range linked() { // what another round left would be led to
		for i := range population {
			if other != typ {
				remove(other, id(i))
			}
		}
	}
	for i := range population {
		if i >= population/2 && src.chance() {
			remove(typ, id(i))
			continue
		}
		put(typ, id(i))
	}
	for _, to := range slices.Sorted(maps.Keys(linked())) {
		put(to, "t1") // what references lead to; t22 is nowhere
		put(to, "t2")
	}
	for range searches {
		found += compare(t, s, typ, all, w)
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

// asked is one parameter of a search, and what it means.
type asked struct {
	name, value string
	holds       func(w world, id string, r Object, c Clock) bool
}

// condition draws a parameter of a type: one of its own, or behind links one of another's.
func (s source) condition(typ string, all map[string][]Attribute, depth int) asked {
	var forward []Attribute
	for _, a := range all[typ] {
		if a.Kind == "reference" && (links(a.Only) || a.Only == "" && slices.ContainsFunc(a.Targets, links)) {
			forward = append(forward, a)
		}
	}
	kind := s.even(6)
	switch backward := linked()[typ]; {
	case kind == 5:
		return s.filter(typ, all)
	case depth > 0 && kind == 0 && len(forward) > 0:
		return s.chain(forward[s.even(len(forward))], all, depth)
	case depth > 0 && kind == 1 && len(backward) > 0:
		by := backward[s.even(len(backward))]
		return s.has(by[0], by[1], typ, all, depth)
	}
	a, modifier, value := s.criterion(all[typ])
	name := a.Name
	if modifier != "" {
		name += ":" + modifier
	}
	local := strings.ReplaceAll(value, base+"/", "")
	return asked{name, value, func(_ world, _ string, r Object, c Clock) bool { return a.Holds(r, modifier, local, c) }}
}

// leads reports whether a resource refers to another by a parameter.
func (a Attribute) leads(r Object, to string) bool {
	return slices.ContainsFunc(a.Values(r), func(v any) bool {
		ref, _, _ := strings.Cut(get(v, "reference"), "/_history/")
		return ref == to
	})
}

func (s source) chain(a Attribute, all map[string][]Attribute, depth int) asked {
	target, name := a.Only, a.Name+"."
	if target == "" {
		target = s.of(slices.DeleteFunc(slices.Clone(a.Targets), func(t string) bool { return !links(t) }))
		name = a.Name + ":" + target + "."
	}
	inner := s.condition(target, all, depth-1)
	return asked{name + inner.name, inner.value, func(w world, _ string, r Object, c Clock) bool {
		for id, to := range w[target] {
			if a.leads(r, target+"/"+id) && inner.holds(w, id, to, c) {
				return true
			}
		}
		return false
	}}
}

func (s source) has(typ, param, target string, all map[string][]Attribute, depth int) asked {
	a := all[typ][slices.IndexFunc(all[typ], func(a Attribute) bool { return a.Name == param })]
	inner := s.condition(typ, all, depth-1)
	return asked{"_has:" + typ + ":" + param + ":" + inner.name, inner.value, func(w world, id string, _ Object, c Clock) bool {
		for from, r := range w[typ] {
			if a.leads(r, target+"/"+id) && inner.holds(w, from, r, c) {
				return true
			}
		}
		return false
	}}
}

// compare sends one random search.
func compare(t *rapid.T, s *server, typ string, all map[string][]Attribute, w world) int {
	src := source{t}
	attributes, there := all[typ], w[typ]
	want := map[string]bool{}
	for id := range there {
		want[id] = true
	}
	var params []search.Pair
	for range src.even(4) {
		c := src.condition(typ, all, 2)
		params = append(params, search.Pair{Name: c.name, Value: c.value})
		for id, r := range there {
			want[id] = want[id] && c.holds(w, id, r, Clock{s.zone, now})
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
