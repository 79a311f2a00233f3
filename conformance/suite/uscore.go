package suite

import (
	"bytes"
	"encoding/json"
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

// USCore tries the search combinations of US Core on what a server holds: each
// must find exactly what of the patient's resources, read one and all, has the
// values; by GET as by POST, and by either form of the patient's id. It returns
// the combinations that nothing on the server has values for.
func USCore(t *testing.T, base string) (untried []string) {
	c := newClient(base)
	var can capability
	c.do(t, "GET", "metadata", "").want(t, 200).into(t, &can)
	attributes := exact.USCoreAttributes()
	for typ, combinations := range exact.USCore() {
		t.Run("F "+typ, func(t *testing.T) {
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
	t.Run("F MedicationRequest includes medications", func(t *testing.T) { c.medications(t) })
	slices.Sort(untried)
	return untried
}

// medications compares what _include adds with what the requests refer to.
func (c *client) medications(t *testing.T) {
	var patients bundle
	c.do(t, "GET", "Patient?_count="+strconv.Itoa(mostPatients), "").want(t, 200).into(t, &patients)
	for _, p := range patients.Entry {
		search := "MedicationRequest?_count=500&_include=MedicationRequest:medication&patient=" + p.resource(t).ID
		a := c.do(t, "GET", search, "")
		if a.StatusCode == 400 {
			t.Skip("not supported")
		}
		var b bundle
		a.want(t, 200).into(t, &b)
		want, got := map[string]bool{}, map[string]bool{}
		for _, e := range b.Entry {
			var r struct {
				ResourceType, ID    string
				MedicationReference struct{ Reference string }
			}
			if err := json.Unmarshal(e.Resource, &r); err != nil {
				t.Fatal(err)
			}
			switch e.Search.Mode {
			case "match":
				if ref := r.MedicationReference.Reference; strings.HasPrefix(ref, "Medication/") && c.do(t, "GET", ref, "").StatusCode == 200 {
					want[ref] = true
				}
			case "include":
				got[r.ResourceType+"/"+r.ID] = true
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s includes %v, want %v", search, got, want)
		}
	}
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
		forms = append(forms, strings.Replace(query, encode("patient="+values[0]), encode("patient="+other), 1))
	}
	for _, form := range forms {
		var post bundle
		c.do(t, "POST", typ+"/_search", form+"&_count=0", "Content-Type", "application/x-www-form-urlencoded").want(t, 200).into(t, &post)
		if post.Total == nil || *post.Total != len(want) {
			t.Errorf("POST %s?%s: total %s, want %d", typ, form, number(post.Total), len(want))
		}
	}
}
