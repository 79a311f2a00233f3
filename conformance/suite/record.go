package suite

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// records looks at what belongs to the first patients there are: compartments,
// searches on several types, and the operations that are declared.
func records(t *testing.T, c *client, can capability) {
	var patients bundle
	c.do(t, "GET", "Patient?_count=2", "").want(t, 200).into(t, &patients)
	for _, p := range patients.Entry {
		patient := "Patient/" + p.resource(t).ID
		t.Run("G7.1 a compartment holds what patient finds", func(t *testing.T) { compartment(t, c, can, patient) })
		if can.kind("Patient").operates("everything") {
			t.Run("G8.1 everything is the compartment", func(t *testing.T) { everything(t, c, patient) })
		}
		if k := can.kind("Observation"); k != nil && k.operates("lastn") && k.searchesBy("category") && k.searchesBy("patient") {
			t.Run("G8.3 the last of each code", func(t *testing.T) { lastN(t, c, patient) })
		}
	}
	if k := can.kind("List"); k != nil && k.does("update", "delete") && k.searchesBy("item") {
		t.Run("G7.16 a list names what is found", func(t *testing.T) { listed(t, c, patients) })
	}
	t.Run("G7.1 several types are the sum of each", func(t *testing.T) { several(t, c, can) })
	if can.kind("Patient").operates("everything") && c.do(t, "GET", "Patient/$everything?_count=1", "").want(t, 200, 400, 404).StatusCode == 200 {
		t.Run("G8.1 everything of all patients holds all patients", func(t *testing.T) {
			got := urls(t, c.all(t, "Patient/$everything?_type=Patient&_count=50"), "match")
			if want := urls(t, c.all(t, "Patient?_count=50"), "match"); !maps.Equal(got, want) {
				t.Errorf("%d patients, but a search finds %d", len(got), len(want))
			}
		})
	}
	t.Run("G8.1 what cannot be is refused", func(t *testing.T) {
		c.do(t, "GET", "Patient/nobody-has-this-id/$everything", "").want(t, 404)
		c.do(t, "GET", "Patient/nobody-has-this-id/$no-such-operation", "").want(t, 404)
	})
}

func (k kind) operates(name string) bool {
	return slices.ContainsFunc(k.Operation, func(o struct{ Name string }) bool { return o.Name == name })
}

func urls(t *testing.T, entries []entry, mode string) map[string]bool {
	t.Helper()
	seen := map[string]bool{}
	for _, e := range entries {
		if e.Search.Mode != mode {
			continue
		}
		if seen[e.FullURL] {
			t.Errorf("%s twice", e.FullURL)
		}
		seen[e.FullURL] = true
	}
	return seen
}

func compartment(t *testing.T, c *client, can capability, patient string) {
	whole := urls(t, c.all(t, patient+"/*?_count=50"), "match")
	for _, k := range can.Rest[0].Resource {
		if !k.does("search-type") || !k.searchesBy("patient") {
			continue
		}
		a := c.do(t, "GET", patient+"/"+k.Type+"?_count=1", "")
		if a.StatusCode != 200 {
			continue // the type is not in the compartment
		}
		own := urls(t, c.all(t, patient+"/"+k.Type+"?_count=100"), "match")
		for url := range own {
			if !whole[url] {
				t.Errorf("%s is not in %s/*", url, patient)
			}
		}
		for url := range urls(t, c.all(t, k.Type+"?_count=100&patient="+patient), "match") {
			if k.Type == "Observation" && !own[url] {
				t.Errorf("%s is not in the compartment", url)
			}
		}
	}
}

// several compares the total of two types with those of each.
func several(t *testing.T, c *client, can capability) {
	var types []string
	sum := 0
	for _, k := range can.Rest[0].Resource {
		if k.does("search-type") && len(types) < 2 {
			var b bundle
			c.do(t, "GET", k.Type+"?_summary=count", "").want(t, 200).into(t, &b)
			sum += *b.Total
			types = append(types, k.Type)
		}
	}
	var both bundle
	c.do(t, "GET", "?_summary=count&_type="+strings.Join(types, ","), "").want(t, 200).into(t, &both)
	if both.Total == nil || *both.Total != sum {
		t.Errorf("%v: %v, want %d", types, both.Total, sum)
	}
	c.do(t, "GET", "?_id=1", "").want(t, 400)
}

func everything(t *testing.T, c *client, patient string) {
	whole := urls(t, c.all(t, patient+"/*?_count=50"), "match")
	for _, size := range []string{"7", "100"} {
		got := urls(t, c.all(t, patient+"/$everything?_count="+size), "match")
		if !got[c.base+"/"+patient] {
			t.Errorf("the patient is not there")
		}
		for url := range whole {
			if !got[url] && !strings.Contains(url, "/Patient/") {
				t.Errorf("by %s: no %s", size, url)
			}
		}
		for url := range got {
			if !whole[url] {
				t.Errorf("by %s: %s is not of the patient", size, url)
			}
		}
	}
}

// lastN compares with the newest of all, for a code that has one coding only.
func lastN(t *testing.T, c *client, patient string) {
	var b bundle
	c.do(t, "GET", "Observation/$lastn?category=laboratory,vital-signs&patient="+patient, "").want(t, 200).into(t, &b)
	all := urls(t, c.all(t, "Observation?category=laboratory,vital-signs&_count=100&patient="+patient), "match")
	got := urls(t, b.Entry, "match")
	if (len(got) == 0) != (len(all) == 0) {
		t.Errorf("%d of %d", len(got), len(all))
	}
	for url := range got {
		if !all[url] {
			t.Errorf("%s is not found by a search", url)
		}
	}
	var two bundle
	body := `{"resourceType":"Parameters","parameter":[{"name":"patient","valueString":"` + patient + `"},{"name":"category","valueString":"laboratory,vital-signs"},{"name":"max","valuePositiveInt":2}]}`
	c.do(t, "POST", "Observation/$lastn", body).want(t, 200).into(t, &two)
	if more := urls(t, two.Entry, "match"); len(more) < len(got) {
		t.Errorf("max=2 has %d, max=1 %d", len(more), len(got))
	}
	c.do(t, "GET", "Observation/$lastn?patient="+patient, "").want(t, 400)
}

// listed keeps patients in a List and looks for them by it.
func listed(t *testing.T, c *client, patients bundle) {
	var items []string
	for _, p := range patients.Entry {
		items = append(items, `{"item":{"reference":"Patient/`+p.resource(t).ID+`"}}`)
	}
	items = append(items, `{"item":{"reference":"Patient/nobody-has-this-id"}}`)
	list := `{"resourceType":"List","id":"suite-list","status":"current","mode":"working","entry":[` + strings.Join(items, ",") + `]}`
	c.do(t, "PUT", "List/suite-list", list).want(t, 200, 201)
	t.Cleanup(func() {
		if err := c.remove(c.base + "/List/suite-list"); err != nil {
			t.Error(err)
		}
	})
	want := urls(t, patients.Entry, "match")
	for _, name := range []string{"suite-list", "List/suite-list", "no-such-list,suite-list"} {
		got := urls(t, c.all(t, "Patient?_count=1&_list="+name), "match")
		if len(got) != len(want) {
			t.Errorf("_list=%s: %v, want %v", name, got, want)
		}
		for url := range want {
			if !got[url] {
				t.Errorf("_list=%s: no %s", name, url)
			}
		}
	}
	if got := c.all(t, "Patient?_list=no-such-list"); len(got) != 0 {
		t.Errorf("a list that is not there has %d entries", len(got))
	}
	c.do(t, "GET", "Patient?_list=$current-patients", "").want(t, 400)
}
