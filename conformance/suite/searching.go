package suite

import (
	"net/url"
	"strings"
	"testing"
)

// searching is run for each type that can be searched. It looks at what there is.
func searching(t *testing.T, c *client, k kind) {
	t.Run("G7.2 the self link shows what was used", func(t *testing.T) {
		var b bundle
		c.do(t, "GET", k.Type+"?_count=1&_total=accurate", "").want(t, 200).into(t, &b)
		self, err := url.Parse(b.link("self"))
		if err != nil || b.Type != "searchset" || self.Query().Get("_count") != "1" || b.Total == nil {
			t.Errorf("%v: %+v", err, b)
		}
	})
	t.Run("G7.3 an unknown parameter is 400, or ignored on demand", func(t *testing.T) {
		c.do(t, "GET", k.Type+"?no-such-parameter=x", "").want(t, 400)
		var b bundle
		c.do(t, "GET", k.Type+"?no-such-parameter=x&_count=1", "", "Prefer", "handling=lenient").want(t, 200).into(t, &b)
		if strings.Contains(b.link("self"), "no-such-parameter") || len(b.Entry) == 0 || b.Entry[len(b.Entry)-1].Search.Mode != "outcome" {
			t.Errorf("got %+v", b)
		}
	})
	t.Run("G7.14 pages are complete and without duplicates", func(t *testing.T) {
		var b bundle
		c.do(t, "GET", k.Type+"?_count=0", "").want(t, 200).into(t, &b)
		if b.Total == nil || len(b.Entry) != 0 {
			t.Fatalf("_count=0: %+v", b)
		}
		if *b.Total > 20_000 {
			t.Skip("too many to page through")
		}
		seen := map[string]bool{}
		for _, e := range c.all(t, k.Type+"?_count=499") {
			seen[e.FullURL] = true
			if want := c.base + "/" + k.Type + "/" + e.resource(t).ID; e.FullURL != want || e.Search.Mode != "match" {
				t.Fatalf("entry %s %s, want %s", e.FullURL, e.Search.Mode, want)
			}
		}
		if len(seen) != *b.Total {
			t.Errorf("%d on all pages, %d in total", len(seen), *b.Total)
		}
	})
	t.Run("G7.1 POST _search finds what GET finds", func(t *testing.T) {
		form := []string{"Content-Type", "application/x-www-form-urlencoded"}
		var get, post bundle
		c.do(t, "GET", k.Type+"?_count=3", "").want(t, 200).into(t, &get)
		c.do(t, "POST", k.Type+"/_search", "_count=3", form...).want(t, 200).into(t, &post)
		if len(get.Entry) != len(post.Entry) {
			t.Fatalf("GET %d, POST %d", len(get.Entry), len(post.Entry))
		}
		for i := range get.Entry {
			if get.Entry[i].FullURL != post.Entry[i].FullURL {
				t.Errorf("GET %s, POST %s", get.Entry[i].FullURL, post.Entry[i].FullURL)
			}
		}
	})
	t.Run("G7.10 a list of hundreds of ids is one search", func(t *testing.T) {
		var some, again bundle
		c.do(t, "GET", k.Type+"?_count=5", "").want(t, 200).into(t, &some)
		ids := strings.Repeat("suite-there-is-none-of-this-id,", 200)
		for _, e := range some.Entry {
			ids += e.resource(t).ID + ","
		}
		c.do(t, "GET", k.Type+"?_count=10&_id="+strings.TrimSuffix(ids, ","), "").want(t, 200).into(t, &again)
		if len(again.Entry) != len(some.Entry) {
			t.Errorf("found %d, want %d", len(again.Entry), len(some.Entry))
		}
	})
	t.Run("G1.1 what is found can be read, and is the same", func(t *testing.T) {
		var b bundle
		c.do(t, "GET", k.Type+"?_count=5", "").want(t, 200).into(t, &b)
		for _, e := range b.Entry {
			a := c.do(t, "GET", e.FullURL, "").want(t, 200)
			if string(a.body) != string(e.Resource) {
				t.Errorf("read %.300s, found %.300s", a.body, e.Resource)
			}
		}
	})
	if k.searchesBy("patient") {
		t.Run("patient finds by id, reference and absolute URL alike", func(t *testing.T) { byPatient(t, c, k) })
	}
}

// byPatient takes the first patients there are.
func byPatient(t *testing.T, c *client, k kind) {
	var patients bundle
	c.do(t, "GET", "Patient?_count=3", "").want(t, 200).into(t, &patients)
	for _, p := range patients.Entry {
		id := p.resource(t).ID
		var totals []int
		for _, value := range []string{id, "Patient/" + id, p.FullURL} {
			var b bundle
			c.do(t, "GET", k.Type+"?_total=accurate&_count=2&patient="+url.QueryEscape(value), "").want(t, 200).into(t, &b)
			totals = append(totals, *b.Total)
			for _, e := range b.Entry {
				if !strings.Contains(string(e.Resource), `"Patient/`+id+`"`) {
					t.Errorf("%s does not name Patient/%s", e.FullURL, id)
				}
			}
		}
		if totals[0] != totals[1] || totals[1] != totals[2] {
			t.Errorf("Patient/%s: totals %v", id, totals)
		}
	}
}
