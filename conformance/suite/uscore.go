package suite

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/conformance/exact"
)

// Bounds on what the combinations are tried with.
const (
	mostPatients  = 3
	mostResources = 2000
)

// USCore tries the searches of US Core on what a server holds, by the rules that
// requirements.txt calls F1 to F9. Each combination
// must find exactly what of the patient's resources, read one and all, has the
// values; by GET as by POST, and by either form of the patient's id. It returns
// the combinations that nothing on the server has values for.
func USCore(t *testing.T, base string) (untried []string) {
	c := newClient(base)
	var can capability
	c.do(t, "GET", "metadata", "").want(t, 200).into(t, &can)
	attributes := exact.USCoreAttributes()
	for typ, combinations := range exact.USCore() {
		t.Run("F1 all that is found matches, and all that matches is found, "+typ, func(t *testing.T) {
			k := can.kind(typ)
			if k == nil || !k.does("search-type") {
				t.Skip("the server does not search " + typ)
			}
			sets := c.sets(t, typ, combinations[0][0] == "patient")
			for _, names := range combinations {
				what := strings.Join(names, "+")
				if slices.ContainsFunc(names, func(n string) bool { return !k.searchesBy(n) }) {
					t.Logf("not searched by %s", what)
					continue
				}
				tried := false
				for _, s := range sets {
					tried = c.combination(t, typ, s, names, attributes[typ]) || tried
				}
				if !tried {
					untried = append(untried, typ+" "+what)
				}
			}
		})
	}
	for _, i := range [][3]string{
		{"MedicationRequest", "medication", "medicationReference"},
		{"MedicationDispense", "medication", "medicationReference"},
		{"CareTeam", "participant", "participant.member"},
		{"PractitionerRole", "practitioner", "practitioner"},
		{"PractitionerRole", "endpoint", "endpoint"},
	} {
		t.Run("F8 _include adds what is referred to, "+i[0]+" "+i[1], func(t *testing.T) {
			if !c.includes(t, &can, i[0], i[1], i[2]) {
				untried = append(untried, i[0]+" _include "+i[1])
			}
		})
	}
	t.Run("F9 _revinclude adds the Provenance of what is found, and nothing else", func(t *testing.T) {
		untried = append(untried, c.provenance(t, &can)...)
	})
	slices.Sort(untried)
	return untried
}

// included are the keys of what a search has added to what it found, which is the other.
func included(t *testing.T, entries []entry) (found []exact.Object, keys map[string]bool) {
	t.Helper()
	keys = map[string]bool{}
	for _, e := range entries {
		var r exact.Object
		if err := json.Unmarshal(e.Resource, &r); err != nil {
			t.Fatal(err)
		}
		if e.Search.Mode == "match" {
			found = append(found, r)
			continue
		}
		if key := fmt.Sprintf("%s/%s", r["resourceType"], r["id"]); e.Search.Mode != "include" || keys[key] {
			t.Errorf("%s is there twice, or with the mode %s", key, e.Search.Mode)
		} else {
			keys[key] = true
		}
	}
	return found, keys
}

// leads gives the resources of this server that a resource refers to at a path, as keys.
func (c *client) leads(r exact.Object, path string) (keys []string) {
	for _, ref := range exact.References(r, path) {
		if ref = strings.TrimPrefix(ref, c.base+"/"); strings.Count(ref, "/") == 1 && !strings.ContainsAny(ref, ":#") {
			keys = append(keys, ref)
		}
	}
	return keys
}

// includes compares what _include adds with what the resources of a type refer to. It
// reports whether there was something to compare.
func (c *client) includes(t *testing.T, can *capability, typ, param, path string) bool {
	if k := can.kind(typ); k == nil || !k.searchesBy(param) {
		t.Skip("the server has no " + typ + " with " + param)
	}
	search := typ + "?_include=" + typ + ":" + param
	a := c.do(t, "GET", search+"&_count=1000", "").want(t, 200)
	var b bundle
	a.into(t, &b)
	found, got := included(t, b.Entry)
	want := map[string]bool{}
	for _, r := range found {
		for _, key := range c.leads(r, path) {
			if !want[key] && c.do(t, "GET", key, "").StatusCode == 200 {
				want[key] = true
			}
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("%s includes %v, want %v", search, got, want)
	}
	return len(want) > 0
}

// provenance compares what _revinclude adds to a search of each type with what refers
// there. It gives the types of which nothing has a Provenance.
func (c *client) provenance(t *testing.T, can *capability) (untried []string) {
	if k := can.kind("Provenance"); k == nil || !k.searchesBy("target") {
		t.Skip("the server has no Provenance with target")
	}
	targets := map[string][]string{} // of each Provenance
	for id, r := range c.objects(t, "Provenance?_count=500") {
		targets["Provenance/"+id] = c.leads(r, "target")
	}
	for typ := range exact.USCore() {
		if k := can.kind(typ); k == nil || !k.does("search-type") {
			continue
		}
		var b bundle
		c.do(t, "GET", typ+"?_count=1000&_revinclude=Provenance:target", "").want(t, 200).into(t, &b)
		found, got := included(t, b.Entry)
		want := map[string]bool{}
		for key, of := range targets {
			want[key] = slices.ContainsFunc(found, func(r exact.Object) bool { return slices.Contains(of, fmt.Sprintf("%s/%s", typ, r["id"])) })
		}
		maps.DeleteFunc(want, func(_ string, yes bool) bool { return !yes })
		if !maps.Equal(got, want) {
			t.Errorf("%s: added %v, want %v", typ, got, want)
		}
		if len(want) == 0 {
			untried = append(untried, typ+" _revinclude Provenance")
		}
	}
	return untried
}

// set is resources that searches are tried on: those of a patient, or all.
type set struct {
	patient   string // id
	resources map[string]exact.Object
}

// sets reads what is there of a type.
func (c *client) sets(t *testing.T, typ string, ofPatients bool) []set {
	if !ofPatients {
		return []set{{resources: c.objects(t, typ+"?_count=500")}}
	}
	var patients bundle
	c.do(t, "GET", "Patient?_count="+strconv.Itoa(mostPatients), "").want(t, 200).into(t, &patients)
	var sets []set
	for _, p := range patients.Entry {
		id := p.resource(t).ID
		sets = append(sets, set{id, c.objects(t, typ+"?_count=500&patient="+id)})
	}
	return sets
}

// objects decodes all that a search finds. References to the server become
// relative, as the evaluator wants them.
func (c *client) objects(t *testing.T, search string) map[string]exact.Object {
	all := map[string]exact.Object{}
	for _, e := range c.all(t, search) {
		if len(all) >= mostResources {
			t.Skip("too many to look at")
		}
		d := json.NewDecoder(bytes.NewReader(bytes.ReplaceAll(e.Resource, []byte(c.base+"/"), nil)))
		d.UseNumber()
		var o exact.Object
		if err := d.Decode(&o); err != nil {
			t.Fatal(err)
		}
		all[e.resource(t).ID] = o
	}
	return all
}

// combination searches for the values of the first and the last resource that has
// them all, in each form that they have, and for those of several at once. It
// reports whether there are such resources.
func (c *client) combination(t *testing.T, typ string, s set, names []string, attributes []exact.Attribute) bool {
	t.Helper()
	clock := exact.Clock{Zone: time.UTC, Now: time.Now()}
	params := make([]exact.Attribute, 0, len(names))
	for _, name := range names {
		i := slices.IndexFunc(attributes, func(a exact.Attribute) bool { return a.Name == name })
		if i < 0 {
			t.Fatalf("%s: nobody says what %s is", typ, name)
		}
		params = append(params, attributes[i])
	}
	var have [][][]string // by resource and parameter: samples
	for _, id := range sortedIDs(s.resources) {
		var samples [][]string
		for _, p := range params {
			var of []string
			for _, v := range p.Values(s.resources[id]) {
				of = append(of, p.Samples(v, clock)...)
			}
			if len(of) > 0 {
				samples = append(samples, of)
			}
		}
		if len(samples) == len(params) {
			have = append(have, samples)
		}
	}
	if len(have) == 0 {
		return false
	}
	for _, samples := range [][][]string{have[0], have[len(have)-1]} {
		longest := 0
		for _, of := range samples {
			longest = max(longest, len(of))
		}
		for i := range min(longest, 8) {
			values := make([]string, len(params))
			for j, of := range samples {
				values[j] = of[i%len(of)]
			}
			c.finds(t, typ, s, params, values, clock)
		}
	}
	several := make([]string, len(params))
	for j := range params {
		several[j] = have[0][j][0]
		if params[j].Kind != "date" {
			several[j] += "," + have[len(have)/2][j][0] + "," + have[len(have)-1][j][0]
		}
	}
	if s.patient != "" && params[0].Name == "patient" {
		several[0] = s.patient
	}
	c.finds(t, typ, s, params, several, clock)
	return true
}

func sortedIDs(resources map[string]exact.Object) []string {
	ids := make([]string, 0, len(resources))
	for id := range resources {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// finds compares one search with what its values say.
func (c *client) finds(t *testing.T, typ string, s set, params []exact.Attribute, values []string, clock exact.Clock) {
	t.Helper()
	var want []string
	for _, id := range sortedIDs(s.resources) {
		holds := true
		for i, p := range params {
			holds = holds && p.Holds(s.resources[id], "", values[i], clock)
		}
		if holds {
			want = append(want, id)
		}
	}
	var parts []string
	for i, p := range params {
		parts = append(parts, p.Name+"="+values[i])
	}
	asked := strings.Join(parts, "&")
	query := encode(asked)
	if s.patient != "" && params[0].Name != "patient" {
		query += "&patient=" + s.patient
	}
	var got []string
	for _, e := range c.all(t, typ+"?"+query+"&_count=50") {
		got = append(got, e.resource(t).ID)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s?%s finds %d %.200v, want %d %.200v", typ, asked, len(got), got, len(want), want)
	}
	forms := []string{query}
	if params[0].Name == "patient" {
		other := "Patient/" + values[0]
		if strings.Contains(values[0], "/") {
			other = strings.TrimPrefix(values[0], "Patient/")
		}
		id := strings.TrimPrefix(values[0], "Patient/")
		for _, form := range []string{other, c.base + "/Patient/" + id} {
			forms = append(forms, strings.Replace(query, encode("patient="+values[0]), encode("patient="+form), 1))
		}
	}
	for _, form := range forms {
		var post bundle
		c.do(t, "POST", typ+"/_search", form+"&_count=0", "Content-Type", "application/x-www-form-urlencoded").want(t, 200).into(t, &post)
		if post.Total == nil || *post.Total != len(want) {
			t.Errorf("POST %s?%s: total %s, want %d", typ, form, number(post.Total), len(want))
		}
	}
}
