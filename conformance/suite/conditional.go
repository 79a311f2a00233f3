package suite

import (
	"crypto/rand"
	"strings"
	"sync"
	"testing"
)

const jsonPatch = "application/json-patch+json"

func patching(t *testing.T, c *client) {
	t.Run("G3.1 JSON Patch changes what it names and nothing else", func(t *testing.T) {
		r := created(t, c)
		a := c.do(t, "PATCH", "Basic/"+r.ID, `[{"op":"replace","path":"/code/text","value":"patched"}]`, "Content-Type", jsonPatch).want(t, 200)
		if !strings.Contains(string(a.body), `"patched"`) || !strings.Contains(string(a.body), `"valueDecimal":1.500`) {
			t.Errorf("got %s", a.body)
		}
		again := c.do(t, "PATCH", "Basic/"+r.ID, `[{"op":"replace","path":"/code/text","value":"patched"}]`, "Content-Type", jsonPatch).want(t, 200)
		if again.Header.Get("ETag") != a.Header.Get("ETag") {
			t.Errorf("a patch that changed nothing made version %s", again.Header.Get("ETag"))
		}
	})
	t.Run("G3.1 a patch that does not fit is refused whole", func(t *testing.T) {
		r := created(t, c)
		for _, patch := range []string{
			`[{"op":"remove","path":"/extension"},{"op":"test","path":"/code/text","value":"other"}]`,
			`[{"op":"remove","path":"/extension"},{"op":"remove","path":"/nothing"}]`,
			`[{"op":"remove","path":"/extension"},{"op":"remove","path":"/code"}]`,
			`[{"op":"remove","path":"/extension"},{"op":"replace","path":"/id","value":"x"}]`,
			`{}`, `[{"op":"invent","path":"/code"}]`,
		} {
			c.do(t, "PATCH", "Basic/"+r.ID, patch, "Content-Type", jsonPatch).want(t, 400, 422)
		}
		c.do(t, "PATCH", "Basic/"+r.ID, `[]`, "Content-Type", jsonPatch).want(t, 200)
		c.do(t, "PATCH", "Basic/"+r.ID, "", "Content-Type", jsonPatch).want(t, 400)
		c.do(t, "PATCH", "Basic/"+r.ID, `[]`, "Content-Type", "text/plain").want(t, 415)
		if a := c.do(t, "GET", "Basic/"+r.ID, "").want(t, 200); a.Header.Get("ETag") != `W/"`+r.Meta.VersionID+`"` {
			t.Errorf("something was changed: %s", a.body)
		}
	})
	t.Run("G3.2 FHIRPath Patch", func(t *testing.T) {
		r := created(t, c)
		patch := `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[
			{"name":"type","valueCode":"add"},{"name":"path","valueString":"Basic"},{"name":"name","valueString":"created"},{"name":"value","valueDate":"2020-02"}]},
			{"name":"operation","part":[
			{"name":"type","valueCode":"delete"},{"name":"path","valueString":"Basic.extension.where(url = 'http://example.org/n')"}]}]}`
		a := c.do(t, "PATCH", "Basic/"+r.ID, patch).want(t, 200)
		if !strings.Contains(string(a.body), `"created":"2020-02"`) || strings.Contains(string(a.body), "extension") {
			t.Errorf("got %s", a.body)
		}
		c.do(t, "PATCH", "Basic/"+r.ID, patch).want(t, 400, 422) // created is there already
	})
	t.Run("G3.4 a patch needs something to patch, of the version that is meant", func(t *testing.T) {
		r := created(t, c)
		patch := `[{"op":"replace","path":"/code/text","value":"patched"}]`
		c.do(t, "PATCH", "Basic/"+r.ID, patch, "Content-Type", jsonPatch, "If-Match", `W/"999"`).want(t, 412)
		c.do(t, "PATCH", "Basic/suite-never-was", patch, "Content-Type", jsonPatch).want(t, 404)
		c.do(t, "PATCH", "Basic?_id="+r.ID, patch, "Content-Type", jsonPatch).want(t, 200)
		c.do(t, "PATCH", "Basic?_id=suite-never-was", patch, "Content-Type", jsonPatch).want(t, 404)
		c.do(t, "DELETE", "Basic/"+r.ID, "").want(t, 200, 204)
		c.do(t, "PATCH", "Basic/"+r.ID, patch, "Content-Type", jsonPatch).want(t, 410)
	})
}

// identified makes a body with an identifier that nobody used before, and the
// criteria that find it.
func identified(t *testing.T, c *client) (body, criteria string) {
	t.Helper()
	value := rand.Text()
	criteria = "identifier=http://example.org/suite|" + value
	t.Cleanup(func() {
		var found bundle
		a, err := c.http.Get(c.base + "/Basic?" + strings.ReplaceAll(criteria, "|", "%7C"))
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = a.Body.Close() }()
		if err := decode(a.Body, &found); err != nil {
			t.Error(err)
		}
		for _, e := range found.Entry {
			deleted(t, c, e.resource(t).ID)
		}
	})
	return strings.Replace(basic, `"Basic",`, `"Basic","identifier":[{"system":"http://example.org/suite","value":"`+value+`"}],`, 1), criteria
}

func conditions(t *testing.T, c *client, multiple bool) {
	t.Run("G2.6 conditional create makes one resource", func(t *testing.T) {
		body, criteria := identified(t, c)
		first := c.do(t, "POST", "Basic", body, "If-None-Exist", criteria).want(t, 201)
		second := c.do(t, "POST", "Basic", body, "If-None-Exist", criteria).want(t, 200)
		if first.Header.Get("Location") != second.Header.Get("Location") {
			t.Errorf("%s, then %s", first.Header.Get("Location"), second.Header.Get("Location"))
		}
		c.do(t, "POST", "Basic", body).want(t, 201)
		c.do(t, "POST", "Basic", body, "If-None-Exist", criteria).want(t, 412)
		for _, nothing := range []string{"", "?", "identifier=", "nonsense=1", "_count=1"} {
			c.do(t, "POST", "Basic", body, "If-None-Exist", nothing).want(t, 400, 412)
		}
	})
	t.Run("G2.6 what was deleted can be created again", func(t *testing.T) {
		body, criteria := identified(t, c)
		var r resource
		c.do(t, "POST", "Basic", body, "If-None-Exist", criteria).want(t, 201).into(t, &r)
		c.do(t, "DELETE", "Basic/"+r.ID, "").want(t, 200, 204)
		c.do(t, "POST", "Basic", body, "If-None-Exist", criteria).want(t, 201)
	})
	t.Run("G2.11 of many conditional creates one creates", func(t *testing.T) {
		body, criteria := identified(t, c)
		var wg sync.WaitGroup
		statuses := make([]int, 64)
		for i := range statuses {
			wg.Go(func() { statuses[i] = c.do(t, "POST", "Basic", body, "If-None-Exist", criteria).StatusCode })
		}
		wg.Wait()
		count := map[int]int{}
		for _, s := range statuses {
			count[s]++
		}
		if count[201] != 1 || count[200] != len(statuses)-1 {
			t.Errorf("statuses %v", count)
		}
	})
	t.Run("G2.7 conditional update", func(t *testing.T) {
		body, criteria := identified(t, c)
		url := "Basic?" + strings.ReplaceAll(criteria, "|", "%7C")
		var r resource
		c.do(t, "PUT", url, body).want(t, 201).into(t, &r)
		changed := strings.Replace(body, "conformance suite", "conformance suite, changed", 1)
		var again resource
		c.do(t, "PUT", url, changed).want(t, 200).into(t, &again)
		if again.ID != r.ID || again.Meta.VersionID == r.Meta.VersionID {
			t.Errorf("%+v, then %+v", r, again)
		}
		c.do(t, "PUT", url, withID(changed, r.ID)).want(t, 200)
		c.do(t, "PUT", url, withID(changed, "another")).want(t, 400)
		c.do(t, "POST", "Basic", body).want(t, 201)
		c.do(t, "PUT", url, changed).want(t, 412)
		c.do(t, "PUT", "Basic", changed).want(t, 400, 412)
	})
	t.Run("G2.8 conditional delete", func(t *testing.T) {
		body, criteria := identified(t, c)
		url := "Basic?" + strings.ReplaceAll(criteria, "|", "%7C")
		c.do(t, "DELETE", url, "").want(t, 204, 404)
		var r resource
		c.do(t, "POST", "Basic", body).want(t, 201).into(t, &r)
		c.do(t, "DELETE", url, "").want(t, 200, 204)
		c.do(t, "GET", "Basic/"+r.ID, "").want(t, 410)
		c.do(t, "POST", "Basic", body).want(t, 201).into(t, &r)
		c.do(t, "POST", "Basic", body).want(t, 201)
		if !multiple {
			c.do(t, "DELETE", url, "").want(t, 412)
		}
		for _, nothing := range []string{"Basic", "Basic?", "Basic?identifier=", "Basic?nonsense=1", "Basic?_format=json"} {
			c.do(t, "DELETE", nothing, "", "Prefer", "handling=lenient").want(t, 400, 412)
		}
		c.do(t, "GET", "Basic/"+r.ID, "").want(t, 200)
	})
}
