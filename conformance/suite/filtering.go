package suite

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// filtering asks by _filter what other parameters ask, of a type that can be searched by
// both. What there is counts, not what it is.
func filtering(t *testing.T, c *client, k kind) {
	filter := func(expression string) string { return k.Type + "?_filter=" + url.QueryEscape(expression) }
	total := func(t *testing.T, search string) int {
		t.Helper()
		var b bundle
		c.do(t, "GET", search+"&_count=0", "").want(t, 200).into(t, &b)
		if b.Total == nil {
			t.Fatalf("%s: no total", search)
		}
		return *b.Total
	}
	var some bundle
	c.do(t, "GET", k.Type+"?_count=3", "").want(t, 200).into(t, &some)
	var ids, either []string
	for _, e := range some.Entry {
		id := e.resource(t).ID
		ids, either = append(ids, id), append(either, "_id eq "+id)
	}
	t.Run("G7.16 _filter finds all, none, and what is not", func(t *testing.T) {
		all := total(t, k.Type+"?")
		for expression, want := range map[string]int{
			"_id pr true": all, "_id pr false": 0, "not(_id pr true)": 0, "_id pr true or _id pr false": all, "_id eq no-such-id": 0,
			"not(_id eq no-such-id) and _id pr true": all,
		} {
			if got := total(t, filter(expression)); got != want {
				t.Errorf("%s: %d, want %d", expression, got, want)
			}
		}
		if len(ids) > 0 {
			if got := total(t, filter("not("+strings.Join(either, " or ")+")")); got != all-len(ids) {
				t.Errorf("%d are not among %d of %d", got, len(ids), all)
			}
		}
	})
	t.Run("G7.16 _filter is paged, by GET and POST and in a batch, beside other parameters", func(t *testing.T) {
		if len(ids) == 0 {
			t.Skip("there is nothing")
		}
		expression := strings.Join(either, " or ")
		var paged []string
		for _, e := range c.all(t, filter(expression)+"&_count=1") {
			paged = append(paged, e.resource(t).ID)
		}
		slices.Sort(paged)
		if want := slices.Sorted(slices.Values(ids)); !slices.Equal(paged, want) {
			t.Errorf("in pages of one %v, want %v", paged, want)
		}
		if got := total(t, filter(expression)+"&_id="+ids[0]); got != 1 {
			t.Errorf("with _id %d, want 1", got)
		}
		if got := total(t, filter(expression)+"&_filter="+url.QueryEscape("_id eq "+ids[0])); got != 1 {
			t.Errorf("with another _filter %d, want 1", got)
		}
		var post bundle
		c.do(t, "POST", k.Type+"/_search", "_count=0&_filter="+url.QueryEscape(expression), "Content-Type", "application/x-www-form-urlencoded").want(t, 200).into(t, &post)
		if post.Total == nil || *post.Total != len(ids) {
			t.Errorf("by POST %s, want %d", number(post.Total), len(ids))
		}
		var several bundle
		c.do(t, "GET", "?_type="+k.Type+"&_filter="+url.QueryEscape(expression), "").want(t, 200).into(t, &several)
		if len(several.Entry) != len(ids) {
			t.Errorf("on the server %d, want %d", len(several.Entry), len(ids))
		}
		entry, _ := json.Marshal(filter(expression) + "&_count=0&_total=accurate") // a string
		var batch struct{ Entry []struct{ Resource bundle } }
		body := fmt.Sprintf(`{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":%s}}]}`, entry)
		if a := c.do(t, "POST", "", body); a.StatusCode == 200 { // else there are no batches
			if a.into(t, &batch); len(batch.Entry) != 1 || batch.Entry[0].Resource.Total == nil || *batch.Entry[0].Resource.Total != len(ids) {
				t.Errorf("in a batch %.300s, want %d", a.body, len(ids))
			}
		}
	})
	t.Run("G7.16 _filter asks within a compartment", func(t *testing.T) {
		var patients bundle
		c.do(t, "GET", "Patient?_count=2", "").want(t, 200).into(t, &patients)
		for _, p := range patients.Entry {
			within := "Patient/" + p.resource(t).ID + "/" + k.Type + "?"
			if c.do(t, "GET", within+"_count=0", "").StatusCode != 200 {
				t.Skip("the compartment of a patient has none")
			}
			if all, got := total(t, within), total(t, within+"_filter="+url.QueryEscape("_id pr true or _id eq x")); got != all {
				t.Errorf("%s: %d, want %d", within, got, all)
			}
			if got := total(t, within+"_filter="+url.QueryEscape("not(_id pr true)")); got != 0 {
				t.Errorf("%s: %d that are not there", within, got)
			}
		}
	})
	t.Run("G7.16 a cursor is bound to the _filter", func(t *testing.T) {
		var b bundle
		c.do(t, "GET", filter("_id pr true")+"&_count=1", "").want(t, 200).into(t, &b)
		next, err := url.Parse(b.link("next"))
		if err != nil {
			t.Fatal(err)
		}
		if params := next.Query(); params.Has("_cursor") {
			params.Set("_filter", "not(_id pr false)")
			c.do(t, "GET", k.Type+"?"+params.Encode(), "").want(t, 400)
		}
	})
	t.Run("G7.16 _filter finds what the parameter finds", func(t *testing.T) { sameAs(t, c, k, total) })
	t.Run("G7.16 a _filter that cannot be answered is refused, under lenient handling, too", func(t *testing.T) {
		for expression, at := range map[string]string{
			"no-such-parameter eq 1": "At character 1: ", "_id pr true and no-such-parameter eq 1": "At character 17: ", "_id is x": "At character 5: ",
			"_id eq": "At the end: ", "_id co x": "At character 5: ",
		} {
			a := c.do(t, "GET", filter(expression), "", "Prefer", "handling=lenient").want(t, 400)
			if !strings.Contains(string(a.body), at) || !strings.Contains(string(a.body), "_filter") {
				t.Errorf("%s: %s does not say %q", expression, a.body, at)
			}
		}
	})
}

// sameAs compares the operators that other parameters have, too, by what they find in all.
func sameAs(t *testing.T, c *client, k kind, total func(*testing.T, string) int) {
	for _, p := range k.SearchParam {
		q := url.QueryEscape
		pairs := map[string]string{p.Name + " pr true": p.Name + ":missing=false", p.Name + " pr false": p.Name + ":missing=true"}
		switch p.Type {
		case "date":
			pairs[p.Name+" ge 2020"], pairs[p.Name+" lt 2020-05"], pairs["not("+p.Name+" sa 2024-01-01)"] = p.Name+"=ge2020", p.Name+"=lt2020-05", ""
		case "string":
			pairs[p.Name+" sw a"], pairs[p.Name+" co e"] = p.Name+"=a", p.Name+":contains=e"
		case "token":
			pairs[p.Name+" eq final"], pairs["not("+p.Name+" eq active)"] = p.Name+"=final", p.Name+":not=active"
		case "special":
			continue
		}
		if p.Name == "_text" || p.Name == "_content" {
			continue
		}
		for expression, other := range pairs {
			byFilter := k.Type + "?_filter=" + q(expression)
			if other == "" { // there is no other way to ask
				c.do(t, "GET", byFilter+"&_count=0", "").want(t, 200)
				continue
			}
			a := c.do(t, "GET", k.Type+"?_count=0&"+other, "")
			if a.StatusCode != 200 {
				c.do(t, "GET", byFilter+"&_count=0", "").want(t, 400)
				continue
			}
			var b bundle
			if a.into(t, &b); b.Total == nil || *b.Total != total(t, byFilter) {
				t.Errorf("%s: %d; %s: %s", byFilter, total(t, byFilter), other, number(b.Total))
			}
		}
	}
}
