package suite

import (
	"slices"
	"strings"
	"testing"
)

// tagging changes the tags of a resource by operations.
func tagging(t *testing.T, c *client, k *kind) {
	has := func(name string) bool {
		return slices.ContainsFunc(k.Operation, func(o struct{ Name string }) bool { return o.Name == name })
	}
	if !has("meta") || !has("meta-add") || !has("meta-delete") {
		t.Skip("the server does not change meta")
	}
	meta := func(tag string) string {
		return `{"resourceType":"Parameters","parameter":[{"name":"meta","valueMeta":{"tag":[{"system":"http://example.org/suite","code":"` + tag + `"}]}}]}`
	}
	r := created(t, c)
	path := "Basic/" + r.ID + "/"
	t.Run("G8.4 tags are added and deleted one by one", func(t *testing.T) {
		c.do(t, "POST", path+"$meta-add", meta("one")).want(t, 200)
		a := c.do(t, "POST", path+"$meta-add", meta("two")).want(t, 200)
		if !strings.Contains(string(a.body), `"one"`) || !strings.Contains(string(a.body), `"two"`) {
			t.Errorf("got %s", a.body)
		}
		again := c.do(t, "POST", path+"$meta-add", meta("two")).want(t, 200)
		if string(again.body) != string(a.body) {
			t.Errorf("adding the same changes %s to %s", a.body, again.body)
		}
		c.do(t, "POST", path+"$meta-delete", meta("one")).want(t, 200)
		a = c.do(t, "GET", path+"$meta", "").want(t, 200)
		if strings.Contains(string(a.body), `"one"`) || !strings.Contains(string(a.body), `"two"`) {
			t.Errorf("got %s", a.body)
		}
	})
	t.Run("G8.4 what changes something is no GET, and leaves no receipt", func(t *testing.T) {
		c.do(t, "GET", path+"$meta-add", "").want(t, 405)
		c.do(t, "POST", path+"$meta-add", meta("x"), "Idempotency-Key", "k").want(t, 400)
		c.do(t, "POST", path+"$meta-add", meta("x"), "If-Match", `W/"99"`).want(t, 400, 412)
		c.do(t, "POST", path+"$meta-add", `{"resourceType":"Parameters"}`).want(t, 400, 422)
		c.do(t, "POST", "Basic/suite-never-was/$meta-add", meta("x")).want(t, 404)
	})
}
