package suite

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/portico-fhir/portico/internal/patience"
)

// once sends requests with an Idempotency-Key again.
func once(t *testing.T, c *client) {
	same := func(t *testing.T, a, b answer) {
		t.Helper()
		for _, name := range []string{"Location", "Etag", "Last-Modified", "Content-Type"} {
			if a.Header.Get(name) != b.Header.Get(name) {
				t.Errorf("%s is %q, then %q", name, a.Header.Get(name), b.Header.Get(name))
			}
		}
		if a.StatusCode != b.StatusCode || !bytes.Equal(a.body, b.body) {
			t.Errorf("%d %s, then %d %s", a.StatusCode, a.body, b.StatusCode, b.body)
		}
	}
	t.Run("G2.11 a create that is sent again is answered as it was", func(t *testing.T) {
		key := rand.Text()
		first := c.do(t, "POST", "Basic", basic, "Idempotency-Key", key).want(t, 201)
		var r resource
		first.into(t, &r)
		t.Cleanup(func() { deleted(t, c, r.ID) })
		c.do(t, "PUT", "Basic/"+r.ID, withID(other, r.ID)).want(t, 200)
		same(t, first, c.do(t, "POST", "Basic", basic, "Idempotency-Key", key))
		c.do(t, "POST", "Basic", other, "Idempotency-Key", key).want(t, 422)
		c.do(t, "POST", "Basic", basic, "Idempotency-Key", "two words").want(t, 400)
	})
	t.Run("G2.11 of many at once one is carried out", func(t *testing.T) {
		key := rand.Text()
		var wg sync.WaitGroup
		locations := make([]string, 16)
		for i := range locations {
			wg.Go(func() {
				for {
					a := c.do(t, "POST", "Basic", basic, "Idempotency-Key", key)
					if a.StatusCode == 409 && a.Header.Get("Retry-After") != "" {
						continue
					}
					locations[i] = fmt.Sprint(a.StatusCode, " ", a.Header.Get("Location"))
					return
				}
			})
		}
		wg.Wait()
		_, id, _ := strings.Cut(locations[0], "/Basic/")
		id, _, _ = strings.Cut(id, "/")
		t.Cleanup(func() { deleted(t, c, id) })
		if answers := slices.Compact(locations); len(answers) != 1 || !strings.HasPrefix(answers[0], "201 ") {
			t.Errorf("got %q", answers)
		}
	})
	for _, kind := range []string{"transaction", "batch"} {
		t.Run("G4.5 a "+kind+" that is sent again is answered as it was", func(t *testing.T) {
			key, id := rand.Text(), strings.ToLower(rand.Text())
			body := bundleOf(kind,
				request(basic, "POST", "Basic"),
				request(withID(basic, id), "PUT", "Basic/"+id),
				request("", "DELETE", "Basic/"+strings.ToLower(rand.Text())))
			first := c.do(t, "POST", "", body, "Idempotency-Key", key).want(t, 200)
			var a answers
			first.into(t, &a)
			a.at(t, c, 0)
			a.at(t, c, 1)
			c.do(t, "PUT", "Basic/"+id, withID(other, id)).want(t, 200)
			same(t, first, c.do(t, "POST", "", body, "Idempotency-Key", key))
			c.do(t, "POST", "", bundleOf(kind, request(basic, "POST", "Basic")), "Idempotency-Key", key).want(t, 422)
		})
	}
}

// deferred sends what it does not wait for.
func deferred(t *testing.T, c *client) {
	t.Run("G8.6 a transaction behind the client's back", func(t *testing.T) {
		a := c.do(t, "POST", "", bundleOf("transaction", request(basic, "POST", "Basic")), "Prefer", "respond-async").want(t, 202)
		at := a.Header.Get("Content-Location")
		if !strings.HasPrefix(at, c.base+"/") {
			t.Fatalf("Content-Location is %q", at)
		}
		patience.Until(func() bool {
			a = c.do(t, "GET", at, "").want(t, 200, 202)
			if a.StatusCode == 202 && (a.Header.Get("X-Progress") == "" || a.Header.Get("Retry-After") == "") {
				t.Errorf("while it is under way the headers are %v", a.Header)
			}
			return a.StatusCode == 200
		})
		var outer, inner answers
		a.want(t, 200).into(t, &outer)
		if outer.Type != "batch-response" || len(outer.Entry) != 1 || outer.Entry[0].Response.Status != "200 OK" {
			t.Fatalf("got %s", a.body)
		}
		answer{a.Response, outer.Entry[0].Resource}.into(t, &inner)
		if inner.Type != "transaction-response" || len(inner.Entry) != 1 {
			t.Fatalf("got %s", a.body)
		}
		c.do(t, "GET", inner.at(t, c, 0), "").want(t, 200)
		c.do(t, "DELETE", at, "").want(t, 202)
		c.do(t, "GET", at, "").want(t, 404)
		c.do(t, "DELETE", at, "").want(t, 404)
	})
}

// origins are Provenances in a header.
func origins(t *testing.T, c *client) {
	const origin = `{"resourceType":"Provenance","recorded":"2026-03-04T05:06:07Z","agent":[{"who":{"display":"The conformance suite"}}]}`
	t.Run("G2.12 a Provenance in a header is about what was written", func(t *testing.T) {
		var r resource
		c.do(t, "POST", "Basic", basic, "X-Provenance", origin).want(t, 201).into(t, &r)
		c.do(t, "PUT", "Basic/"+r.ID, withID(other, r.ID), "X-Provenance", origin).want(t, 200)
		c.do(t, "DELETE", "Basic/"+r.ID, "", "X-Provenance", origin).want(t, 204)
		found := c.all(t, "Provenance?target=Basic/"+r.ID)
		for _, e := range found {
			t.Cleanup(func() { _ = c.remove(e.FullURL) })
		}
		if len(found) != 3 {
			t.Errorf("%d Provenances: %v", len(found), found)
		}
		for _, bad := range []string{"{", `{"resourceType":"Provenance"}`, basic} {
			c.do(t, "POST", "Basic", basic, "X-Provenance", bad).want(t, 400)
		}
	})
}

// deletingMany is for conditional deletes of more than one resource.
func deletingMany(t *testing.T, c *client) {
	t.Run("G2.8 a conditional delete of several, alone and in a transaction", func(t *testing.T) {
		for _, bundled := range []bool{false, true} {
			body, criteria := identified(t, c)
			url := "Basic?" + strings.ReplaceAll(criteria, "|", "%7C")
			var ids [3]resource
			for i := range ids {
				c.do(t, "POST", "Basic", body).want(t, 201).into(t, &ids[i])
			}
			if bundled {
				send(t, c, bundleOf("transaction", request("", "DELETE", url), request("", "GET", url)), 204, 200)
			} else {
				c.do(t, "DELETE", url, "", "If-Match", `W/"1"`).want(t, 412)
				a := c.do(t, "DELETE", url, "", "Prefer", "return=OperationOutcome").want(t, 200)
				if !strings.Contains(string(a.body), "3 resources") {
					t.Errorf("got %s", a.body)
				}
			}
			for _, r := range ids {
				c.do(t, "GET", "Basic/"+r.ID, "").want(t, 410)
			}
			c.do(t, "DELETE", url, "").want(t, 204, 404)
		}
		for _, nothing := range []string{"Basic", "Basic?", "Basic?identifier=", "Basic?nonsense=1", "Basic?_format=json"} {
			c.do(t, "DELETE", nothing, "", "Prefer", "handling=lenient").want(t, 400, 412)
		}
	})
}

// whole is for references that must lead somewhere.
func whole(t *testing.T, c *client) {
	about := func(id string) string {
		return strings.Replace(basic, `"Basic",`, `"Basic","subject":{"reference":"Basic/`+id+`"},`, 1)
	}
	t.Run("G2.10 what is referred to must be there, and stays", func(t *testing.T) {
		a := c.do(t, "POST", "Basic", about("suite-never-was")).want(t, 409, 422)
		if !strings.Contains(string(a.body), "Basic.subject") {
			t.Errorf("the place is not named: %s", a.body)
		}
		target := created(t, c)
		var r resource
		c.do(t, "POST", "Basic", about(target.ID)).want(t, 201).into(t, &r)
		a = c.do(t, "GET", "Basic/"+target.ID+"/$validate?mode=delete", "").want(t, 200)
		if !strings.Contains(string(a.body), `"error"`) {
			t.Errorf("$validate says %s", a.body)
		}
		a = c.do(t, "DELETE", "Basic/"+target.ID, "").want(t, 409)
		if !strings.Contains(string(a.body), "Basic/"+r.ID) {
			t.Errorf("what refers to it is not named: %s", a.body)
		}
		c.do(t, "PATCH", "Basic/"+r.ID, `[{"op":"replace","path":"/subject/reference","value":"Basic/suite-never-was"}]`, "Content-Type", jsonPatch).want(t, 409, 422)
		a = c.do(t, "POST", "", bundleOf("transaction", request(basic, "POST", "Basic"), request(about("suite-never-was"), "POST", "Basic"))).want(t, 409, 422)
		if !strings.Contains(string(a.body), "Bundle.entry[1].resource.subject") {
			t.Errorf("the entry is not named: %s", a.body)
		}
		send(t, c, bundleOf("transaction", request("", "DELETE", "Basic/"+target.ID), request("", "DELETE", "Basic/"+r.ID)), 204, 204)
	})
}
