package suite

import (
	"strings"
	"sync"
	"testing"
)

const (
	basic = `{"resourceType":"Basic","code":{"text":"conformance suite"},"extension":[{"url":"http://example.org/n","valueDecimal":1.500}]}`
	other = `{"resourceType":"Basic","code":{"text":"conformance suite, changed"}}`
)

// withID makes a body fit for PUT.
func withID(body, id string) string {
	return strings.Replace(body, `"Basic",`, `"Basic","id":"`+id+`",`, 1)
}

// created makes a Basic that is deleted again after the test.
func created(t *testing.T, c *client) resource {
	t.Helper()
	var r resource
	c.do(t, "POST", "Basic", basic).want(t, 201).into(t, &r)
	t.Cleanup(func() { deleted(t, c, r.ID) })
	return r
}

// deleted removes a Basic, also when the test is over already.
func deleted(t *testing.T, c *client, id string) {
	if err := c.remove(c.base + "/Basic/" + id); err != nil {
		t.Error(err)
	}
}

func writing(t *testing.T, c *client, multiple bool) {
	t.Run("create", func(t *testing.T) { creating(t, c) })
	t.Run("update", func(t *testing.T) { updating(t, c) })
	t.Run("delete", func(t *testing.T) { deleting(t, c) })
	t.Run("patch", func(t *testing.T) { patching(t, c) })
	t.Run("conditional", func(t *testing.T) { conditions(t, c, multiple) })
	t.Run("read", func(t *testing.T) { reading(t, c) })
}

func creating(t *testing.T, c *client) {
	t.Run("G2.1 create answers with Location, ETag and Last-Modified", func(t *testing.T) {
		a := c.do(t, "POST", "Basic", withID(basic, "mine")).want(t, 201)
		var r resource
		a.into(t, &r)
		t.Cleanup(func() { deleted(t, c, r.ID) })
		if r.ID == "mine" || r.ID == "" || r.Meta.VersionID == "" || r.Meta.LastUpdated == "" {
			t.Errorf("got %+v", r)
		}
		if want := c.base + "/Basic/" + r.ID + "/_history/" + r.Meta.VersionID; a.Header.Get("Location") != want {
			t.Errorf("Location %q, want %q", a.Header.Get("Location"), want)
		}
		if a.Header.Get("ETag") != `W/"`+r.Meta.VersionID+`"` || a.Header.Get("Last-Modified") == "" {
			t.Errorf("headers %v", a.Header)
		}
	})
	t.Run("G2.2 Prefer decides about the body", func(t *testing.T) {
		for prefer, want := range map[string]string{"return=minimal": "", "return=representation": `"Basic"`, "return=OperationOutcome": `"OperationOutcome"`} {
			a := c.do(t, "POST", "Basic", basic, "Prefer", prefer).want(t, 201)
			if (want == "" && len(a.body) > 0) || !strings.Contains(string(a.body), want) {
				t.Errorf("%s: %s", prefer, a.body)
			}
			location := strings.TrimPrefix(a.Header.Get("Location"), c.base+"/Basic/")
			id, _, _ := strings.Cut(location, "/")
			t.Cleanup(func() { deleted(t, c, id) })
		}
	})
	t.Run("G2.3 what is not right is refused", func(t *testing.T) {
		c.do(t, "POST", "Basic", `{"resourceType":`).want(t, 400)
		c.do(t, "POST", "Basic", `{"resourceType":"Flag"}`).want(t, 400)
		c.do(t, "POST", "Basic", basic, "Content-Type", "text/plain").want(t, 415)
		c.do(t, "POST", "Basic", `{"resourceType":"Basic"}`).want(t, 400, 422)
		c.do(t, "POST", "Basic", `{"resourceType":"Basic","code":{"text":"x"},"nonsense":1}`).want(t, 400, 422)
	})
}

func updating(t *testing.T, c *client) {
	t.Run("G2.3 the id in the body must be that of the URL", func(t *testing.T) {
		id := created(t, c).ID
		c.do(t, "PUT", "Basic/"+id, other).want(t, 400)
		c.do(t, "PUT", "Basic/"+id, withID(other, "another")).want(t, 400)
	})
	t.Run("G2.4 update makes a version, and none when nothing changes", func(t *testing.T) {
		r := created(t, c)
		var second, third resource
		c.do(t, "PUT", "Basic/"+r.ID, withID(other, r.ID)).want(t, 200).into(t, &second)
		c.do(t, "PUT", "Basic/"+r.ID, withID(other, r.ID)).want(t, 200).into(t, &third)
		if second.Meta.VersionID == r.Meta.VersionID || third.Meta.VersionID != second.Meta.VersionID {
			t.Errorf("versions %s, %s, %s", r.Meta.VersionID, second.Meta.VersionID, third.Meta.VersionID)
		}
	})
	t.Run("G2.4 update creates under the client's id", func(t *testing.T) {
		const id = "suite-update-create"
		a := c.do(t, "PUT", "Basic/"+id, withID(basic, id))
		t.Cleanup(func() { deleted(t, c, id) })
		a.want(t, 201)
	})
	t.Run("G2.5 preconditions decide", func(t *testing.T) {
		r := created(t, c)
		first := `W/"` + r.Meta.VersionID + `"`
		c.do(t, "PUT", "Basic/"+r.ID, withID(other, r.ID), "If-Match", "nonsense").want(t, 400)
		c.do(t, "PUT", "Basic/"+r.ID, withID(other, r.ID), "If-None-Match", "*").want(t, 412)
		c.do(t, "PUT", "Basic/"+r.ID, withID(other, r.ID), "If-Match", first).want(t, 200)
		c.do(t, "PUT", "Basic/"+r.ID, withID(basic, r.ID), "If-Match", first).want(t, 412)
		c.do(t, "DELETE", "Basic/"+r.ID, "", "If-Match", first).want(t, 412)
	})
	t.Run("G2.11 of many updates with one If-Match exactly one is done", func(t *testing.T) {
		r := created(t, c)
		var wg sync.WaitGroup
		statuses := make([]int, 16)
		for i := range statuses {
			wg.Go(func() {
				body := withID(strings.Replace(other, "changed", "changed by "+string(rune('a'+i)), 1), r.ID)
				statuses[i] = c.do(t, "PUT", "Basic/"+r.ID, body, "If-Match", `W/"`+r.Meta.VersionID+`"`).StatusCode
			})
		}
		wg.Wait()
		won := 0
		for _, s := range statuses {
			switch s {
			case 200:
				won++
			case 412:
			default:
				t.Errorf("status %d", s)
			}
		}
		if won != 1 {
			t.Errorf("%d updates were done: %v", won, statuses)
		}
	})
}

func deleting(t *testing.T, c *client) {
	t.Run("G2.9 a deleted resource is gone, stays in the history, and can come back", func(t *testing.T) {
		r := created(t, c)
		c.do(t, "DELETE", "Basic/"+r.ID, "").want(t, 200, 204)
		c.do(t, "DELETE", "Basic/"+r.ID, "").want(t, 200, 204)
		c.do(t, "GET", "Basic/"+r.ID, "").want(t, 410)
		var found, history bundle
		c.do(t, "GET", "Basic?_id="+r.ID, "").want(t, 200).into(t, &found)
		c.do(t, "GET", "Basic/"+r.ID+"/_history", "").want(t, 200).into(t, &history)
		if len(found.Entry) != 0 || len(history.Entry) != 2 || history.Entry[0].Request.Method != "DELETE" {
			t.Errorf("search %+v, history %+v", found, history)
		}
		var back resource
		c.do(t, "PUT", "Basic/"+r.ID, withID(basic, r.ID)).want(t, 200, 201).into(t, &back)
		if back.Meta.VersionID == r.Meta.VersionID {
			t.Errorf("version %s again", back.Meta.VersionID)
		}
	})
	t.Run("G2.9 deleting what never was does nothing", func(t *testing.T) {
		c.do(t, "DELETE", "Basic/suite-never-was", "").want(t, 200, 204, 404)
	})
}

func reading(t *testing.T, c *client) {
	t.Run("G1.1 read gives back what was sent", func(t *testing.T) {
		r := created(t, c)
		a := c.do(t, "GET", "Basic/"+r.ID, "").want(t, 200)
		if a.Header.Get("ETag") != `W/"`+r.Meta.VersionID+`"` || a.Header.Get("Last-Modified") == "" {
			t.Errorf("headers %v", a.Header)
		}
		if !strings.Contains(string(a.body), `"valueDecimal":1.500`) {
			t.Errorf("the decimal changed: %s", a.body)
		}
		c.do(t, "GET", "Basic/suite-never-was", "").want(t, 404)
	})
	t.Run("G1.2 read is 304 for who has it", func(t *testing.T) {
		r := created(t, c)
		a := c.do(t, "GET", "Basic/"+r.ID, "").want(t, 200)
		c.do(t, "GET", "Basic/"+r.ID, "", "If-None-Match", a.Header.Get("ETag")).want(t, 304)
		c.do(t, "GET", "Basic/"+r.ID, "", "If-Modified-Since", a.Header.Get("Last-Modified")).want(t, 304)
	})
	t.Run("G1.3 every version can be read", func(t *testing.T) {
		r := created(t, c)
		c.do(t, "PUT", "Basic/"+r.ID, withID(other, r.ID)).want(t, 200)
		a := c.do(t, "GET", "Basic/"+r.ID+"/_history/"+r.Meta.VersionID, "").want(t, 200)
		if a.Header.Get("ETag") != `W/"`+r.Meta.VersionID+`"` || !strings.Contains(string(a.body), "1.500") {
			t.Errorf("got %v %s", a.Header, a.body)
		}
		c.do(t, "GET", "Basic/"+r.ID+"/_history/no-such", "").want(t, 404)
	})
	t.Run("G1.4 the history is newest first and pages", func(t *testing.T) {
		r := created(t, c)
		c.do(t, "PUT", "Basic/"+r.ID, withID(other, r.ID)).want(t, 200)
		c.do(t, "PUT", "Basic/"+r.ID, withID(basic, r.ID)).want(t, 200)
		versions := c.all(t, "Basic/"+r.ID+"/_history?_count=2")
		if len(versions) != 3 || versions[2].resource(t).Meta.VersionID != r.Meta.VersionID || versions[0].Response.Etag == "" {
			t.Errorf("got %+v", versions)
		}
		c.do(t, "GET", "Basic/suite-never-was/_history", "").want(t, 404)
	})
	t.Run("G1.6 HEAD has the headers of GET", func(t *testing.T) {
		r := created(t, c)
		a := c.do(t, "HEAD", "Basic/"+r.ID, "").want(t, 200)
		if len(a.body) != 0 || a.Header.Get("ETag") == "" {
			t.Errorf("got %v %q", a.Header, a.body)
		}
	})
}
