package suite

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
)

// histories are those of a type and of the server. Others may write meanwhile.
func histories(t *testing.T, c *client, can capability) {
	k := can.kind("Basic")
	if k == nil || !k.does("create", "update", "delete", "history-type", "patch") {
		t.Skip("the server cannot write Basic, or gives no history of it")
	}
	r := created(t, c)
	c.do(t, "PUT", "Basic/"+r.ID, withID(other, r.ID)).want(t, 200)
	c.do(t, "PATCH", "Basic/"+r.ID, `[{"op":"replace","path":"/code/text","value":"patched"}]`, "Content-Type", "application/json-patch+json").want(t, 200)
	c.do(t, "DELETE", "Basic/"+r.ID, "").want(t, 204)
	c.do(t, "PUT", "Basic/"+r.ID, withID(basic, r.ID)).want(t, 201)
	since := "_since=" + url.QueryEscape(r.Meta.LastUpdated)
	want := []string{"PUT Basic/" + r.ID + " 201", "DELETE Basic/" + r.ID + " 204", "PATCH Basic/" + r.ID + " 200", "PUT Basic/" + r.ID + " 200", "POST Basic 201"}
	for _, path := range []string{"Basic/" + r.ID + "/_history", "Basic/_history", "_history"} {
		t.Run("G1.4 "+path[max(0, len(path)-14):]+" says how versions came about, newest first", func(t *testing.T) {
			entries := c.all(t, path+"?_count=2&"+since)
			var got []string
			for i, e := range entries {
				if i > 0 && entries[i-1].Response.LastModified < e.Response.LastModified {
					t.Errorf("%s stands before %s", entries[i-1].Response.LastModified, e.Response.LastModified)
				}
				if e.FullURL == c.base+"/Basic/"+r.ID {
					got = append(got, e.Request.Method+" "+e.Request.URL+" "+e.Response.Status)
				}
				if (e.Request.Method == "DELETE") != (e.Resource == nil) {
					t.Errorf("a %s with the resource %s", e.Request.Method, e.Resource)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	t.Run("G1.4 the oldest first is the same the other way round", func(t *testing.T) {
		for _, path := range []string{"Basic/" + r.ID + "/_history", "Basic/_history"} {
			var newest, oldest []string
			for _, e := range c.all(t, path+"?_count=2&_sort=-_lastUpdated&"+since) {
				newest = append(newest, e.FullURL+" "+e.Response.Etag)
			}
			for _, e := range c.all(t, path+"?_count=2&_sort=_lastUpdated&"+since) {
				oldest = append(oldest, e.FullURL+" "+e.Response.Etag)
			}
			slices.Reverse(oldest)
			if !slices.Equal(newest, oldest[max(0, len(oldest)-len(newest)):]) { // others may write between the two
				t.Errorf("%s: %q, and reversed %q", path, newest, oldest)
			}
		}
	})
	t.Run("G1.5 whoever polls since the moment that a page names misses nothing", func(t *testing.T) {
		var first, second bundle
		c.do(t, "GET", "Basic/_history?_count=1000&"+since, "").want(t, 200).into(t, &first)
		if first.Meta.LastUpdated == "" {
			t.Fatal("the page does not say up to when it is complete")
		}
		c.do(t, "PUT", "Basic/"+r.ID, withID(other, r.ID)).want(t, 200)
		c.do(t, "GET", "Basic/_history?_count=1000&_since="+url.QueryEscape(first.Meta.LastUpdated), "").want(t, 200).into(t, &second)
		if len(second.Entry) == 0 || second.Entry[0].Request.Method != "PUT" {
			t.Errorf("got %+v", second.Entry)
		}
		c.do(t, "PUT", "Basic/"+r.ID, withID(basic, r.ID)).want(t, 200)
	})
	t.Run("G1.4 a history tells what was current at a time", func(t *testing.T) {
		var now bundle
		at := "_at=" + url.QueryEscape(r.Meta.LastUpdated)
		c.do(t, "GET", "Basic/"+r.ID+"/_history?"+at, "").want(t, 200).into(t, &now)
		if len(now.Entry) != 1 || now.Entry[0].resource(t).Meta.VersionID != r.Meta.VersionID {
			t.Errorf("got %+v", now.Entry)
		}
		for _, e := range c.all(t, "Basic/_history?_count=50&"+at) {
			if e.FullURL == c.base+"/Basic/"+r.ID && e.Request.Method != "POST" {
				t.Errorf("%s %s was not current then", e.Request.Method, e.Response.Etag)
			}
		}
	})
	t.Run("G1.4 what a history does not take is refused", func(t *testing.T) {
		for _, query := range []string{"_since=2020", "_since=2999-01-01T00:00:00Z", "_at=x", "_at=2999", "_count=-1", "_count=x", "_sort=code", "code=x"} {
			c.do(t, "GET", "Basic/_history?"+query, "").want(t, 400)
			c.do(t, "GET", "_history?"+query, "").want(t, 400)
		}
		c.do(t, "POST", "Basic/_history", basic).want(t, 405)
	})
	t.Run("G1.5 next links stay in step while others write", func(t *testing.T) {
		var first bundle
		c.do(t, "GET", "Basic/_history?_count=3&"+since, "").want(t, 200).into(t, &first)
		seen := map[string]int{}
		total := first.Total
		for page, n := first, 0; ; n++ {
			for _, e := range page.Entry {
				seen[e.FullURL+" "+e.Response.Etag]++
			}
			if page.Total != nil && *page.Total != *total {
				t.Errorf("a total of %d, then %d", *total, *page.Total)
			}
			next := page.link("next")
			if next == "" {
				break
			}
			c.do(t, "PUT", "Basic/"+r.ID, withID(fmt.Sprintf(`{"resourceType":"Basic","code":{"text":"page %d"}}`, n), r.ID)).want(t, 200)
			page = bundle{}
			c.do(t, "GET", next, "").want(t, 200).into(t, &page)
		}
		for version := 1; version <= 5; version++ {
			if n := seen[fmt.Sprintf(`%s/Basic/%s W/"%d"`, c.base, r.ID, version)]; n != 1 {
				t.Errorf("version %d is shown %d times", version, n)
			}
		}
	})
}
