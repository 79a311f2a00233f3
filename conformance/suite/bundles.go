package suite

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// request makes the entry of a Bundle; resource may be empty, more are further
// members of its request.
func request(resource, method, url string, more ...string) string {
	text := fmt.Sprintf(`"method":%q,"url":%q`, method, url)
	for i := 0; i < len(more); i += 2 {
		text += fmt.Sprintf(`,%q:%q`, more[i], more[i+1])
	}
	if resource != "" {
		resource = `"resource":` + resource + ","
	}
	return "{" + resource + `"request":{` + text + `}}`
}

// called gives an entry a fullUrl.
func called(fullURL, entry string) string { return `{"fullUrl":"` + fullURL + `",` + entry[1:] }

func bundleOf(kind string, entries ...string) string {
	return `{"resourceType":"Bundle","type":"` + kind + `","entry":[` + strings.Join(entries, ",") + `]}`
}

// answers is a batch-response or transaction-response.
type answers struct {
	Type  string
	Entry []struct {
		Resource json.RawMessage
		Response struct {
			Status, Location, Etag, LastModified string
			Outcome                              json.RawMessage
		}
	}
}

// send posts a Bundle and fails unless the entries have these statuses.
func send(t *testing.T, c *client, body string, statuses ...int) answers {
	t.Helper()
	var a answers
	c.do(t, "POST", "", body).want(t, 200).into(t, &a)
	if len(a.Entry) != len(statuses) {
		t.Fatalf("%d answers, want %d", len(a.Entry), len(statuses))
	}
	for i, want := range statuses {
		if got := a.Entry[i].Response.Status; !strings.HasPrefix(got, strconv.Itoa(want)) {
			t.Fatalf("entry %d: %s, want %d: %s", i, got, want, a.Entry[i].Response.Outcome)
		}
	}
	return a
}

// at is [type]/[id] of an answer, which is deleted after the test.
func (a answers) at(t *testing.T, c *client, i int) string {
	t.Helper()
	url := strings.TrimPrefix(a.Entry[i].Response.Location, c.base+"/")
	url, _, _ = strings.Cut(url, "/_history/")
	t.Cleanup(func() { _ = c.remove(c.base + "/" + url) })
	return url
}

func bundles(t *testing.T, c *client, interactions []struct{ Code string }) {
	for _, i := range interactions {
		switch i.Code {
		case "transaction":
			t.Run("transaction", func(t *testing.T) { transactions(t, c) })
		case "batch":
			t.Run("batch", func(t *testing.T) { batches(t, c) })
		}
	}
}

const urn = "urn:uuid:5b0c3c3e-7a0e-4f7e-9f43-0f0a0b0c0d0e"

func transactions(t *testing.T, c *client) {
	t.Run("G4.3 references within a transaction become those of what was made", func(t *testing.T) {
		about := strings.Replace(basic, `"Basic",`, `"Basic","subject":{"reference":"`+urn+`"},"modifierExtension":[{"url":"http://example.org/r","valueReference":{"reference":"urn:oid:1.2.3"}}],`, 1)
		a := send(t, c, bundleOf("transaction",
			request(about, "POST", "Basic"), called(urn, request(basic, "POST", "Basic")), called("urn:oid:1.2.3", request(other, "POST", "Basic"))), 201, 201, 201)
		var r struct {
			Subject           struct{ Reference string }
			ModifierExtension []struct{ ValueReference struct{ Reference string } }
		}
		c.do(t, "GET", a.at(t, c, 0), "").want(t, 200).into(t, &r)
		if len(r.ModifierExtension) != 1 || r.Subject.Reference != a.at(t, c, 1) || r.ModifierExtension[0].ValueReference.Reference != a.at(t, c, 2) {
			t.Errorf("got %+v", r)
		}
		c.do(t, "POST", "", bundleOf("transaction", request(about, "POST", "Basic"))).want(t, 400)
	})
	t.Run("G1.4 what a transaction made has a history like any other", func(t *testing.T) {
		const id = "suite-transaction-put"
		a := send(t, c, bundleOf("transaction", request(basic, "POST", "Basic"), request(withID(basic, id), "PUT", "Basic/"+id)), 201, 201)
		for i, want := range []string{"POST Basic", "PUT Basic/" + id} {
			newest := c.all(t, a.at(t, c, i)+"/_history")[0].Request
			if got := newest.Method + " " + newest.URL; got != want {
				t.Errorf("made by %q, want %q", got, want)
			}
		}
	})
	t.Run("G4.1 one entry that fails undoes all", func(t *testing.T) {
		const id = "suite-transaction"
		good := request(withID(basic, id), "PUT", "Basic/"+id)
		r := created(t, c)
		for _, bad := range []string{
			request(`{"resourceType":"Basic"}`, "POST", "Basic"),
			request("", "DELETE", "Basic/"+r.ID, "ifMatch", `W/"99"`),
			request(withID(other, r.ID), "PUT", "Basic/"+r.ID, "ifNoneMatch", "*"),
			request(withID(other, id), "PUT", "Basic/"+id),
			request("", "DELETE", "Basic?nonsense=1"),
			request("", "DELETE", "Basic?"),
			request("", "GET", "Basic?nonsense=1"),
			request(strings.Replace(basic, `"Basic",`, `"Basic","subject":{"reference":"Patient?identifier=suite|never"},`, 1), "POST", "Basic"),
			`{"resource":` + basic + `}`,
		} {
			a := c.do(t, "POST", "", bundleOf("transaction", request("", "DELETE", "Basic/"+r.ID), good, bad)).want(t, 400, 409, 412, 422)
			if !strings.Contains(string(a.body), "Bundle.entry[2]") {
				t.Errorf("the outcome does not say which entry: %s", a.body)
			}
			c.do(t, "GET", "Basic/"+id, "").want(t, 404)
			c.do(t, "GET", "Basic/"+r.ID, "").want(t, 200)
		}
	})
	t.Run("G4.1 a transaction that only reads fails with its first failure, but tells of what is not there", func(t *testing.T) {
		r := created(t, c)
		there, never := request("", "GET", "Basic/"+r.ID), request("", "GET", "Basic/suite-never-was")
		send(t, c, bundleOf("transaction", there, never), 200, 404)
		if a := c.do(t, "POST", "", bundleOf("transaction", there, never, request("", "GET", "Basic?nonsense=1"))).want(t, 400); !strings.Contains(string(a.body), "Bundle.entry[2]") {
			t.Errorf("the outcome does not say which entry: %s", a.body)
		}
	})
	t.Run("G4.2 what is read comes last, answers come in order", func(t *testing.T) {
		r := created(t, c)
		gone := created(t, c)
		a := send(t, c, bundleOf("transaction",
			request("", "GET", "Basic/"+r.ID),
			request(withID(other, r.ID), "PUT", "Basic/"+r.ID, "ifMatch", `W/"`+r.Meta.VersionID+`"`),
			request("", "GET", "Basic/"+r.ID+"/_history"),
			request("", "DELETE", "Basic/"+gone.ID),
			request("", "GET", "Basic?_id="+r.ID+","+gone.ID)), 200, 200, 200, 204, 200)
		var found bundle
		if err := json.Unmarshal(a.Entry[4].Resource, &found); err != nil || len(found.Entry) != 1 {
			t.Errorf("%v %s", err, a.Entry[4].Resource)
		}
		if !strings.Contains(string(a.Entry[0].Resource), "changed") {
			t.Errorf("read before it was written: %s", a.Entry[0].Resource)
		}
	})
	t.Run("G4.2 what is deleted does not stand against what is created", func(t *testing.T) {
		body, criteria := identified(t, c)
		old := send(t, c, bundleOf("transaction", request(body, "POST", "Basic")), 201).at(t, c, 0)
		a := send(t, c, bundleOf("transaction", request(body, "POST", "Basic", "ifNoneExist", criteria), request("", "DELETE", old)), 201, 204)
		c.do(t, "GET", a.at(t, c, 0), "").want(t, 200)
		c.do(t, "GET", old, "").want(t, 404, 410)
	})
	t.Run("G4.5 a second run with conditions makes nothing more", func(t *testing.T) {
		body, criteria := identified(t, c)
		text := bundleOf("transaction", called(urn, request(body, "POST", "Basic", "ifNoneExist", criteria)))
		first, second := send(t, c, text, 201), send(t, c, text, 200)
		if first.Entry[0].Response.Location != second.Entry[0].Response.Location || first.Entry[0].Response.Location == "" {
			t.Errorf("%s, then %s", first.Entry[0].Response.Location, second.Entry[0].Response.Location)
		}
	})
	t.Run("G4.4 a conditional reference means what is stored or in the transaction", func(t *testing.T) {
		body, criteria := identified(t, c)
		about := strings.Replace(basic, `"Basic",`, `"Basic","subject":{"reference":"Basic?`+criteria+`"},`, 1)
		a := send(t, c, bundleOf("transaction", request(about, "POST", "Basic"), request(body, "POST", "Basic")), 201, 201)
		b := send(t, c, bundleOf("transaction", request(about, "POST", "Basic")), 201)
		alone := send(t, c, bundleOf("batch", request(about, "POST", "Basic")), 201)
		for _, url := range []string{a.at(t, c, 0), b.at(t, c, 0), alone.at(t, c, 0)} {
			var r struct{ Subject struct{ Reference string } }
			c.do(t, "GET", url, "").want(t, 200).into(t, &r)
			if r.Subject.Reference != a.at(t, c, 1) {
				t.Errorf("got %s, want %s", r.Subject.Reference, a.at(t, c, 1))
			}
		}
		var r struct {
			ID      string
			Subject struct{ Reference string }
		}
		c.do(t, "POST", "Basic", about).want(t, 201).into(t, &r)
		t.Cleanup(func() { deleted(t, c, r.ID) })
		if r.Subject.Reference != a.at(t, c, 1) {
			t.Errorf("created alone it refers to %s, want %s", r.Subject.Reference, a.at(t, c, 1))
		}
		c.do(t, "POST", "Basic", strings.Replace(about, criteria, "identifier=suite|never", 1)).want(t, 400, 412)
	})
	t.Run("G4.11 of many transactions with one condition one creates", func(t *testing.T) {
		body, criteria := identified(t, c)
		text := bundleOf("transaction", request(body, "POST", "Basic", "ifNoneExist", criteria))
		var wg sync.WaitGroup
		found := make([]answers, 16)
		for i := range found {
			wg.Go(func() { _ = json.Unmarshal(c.do(t, "POST", "", text).body, &found[i]) })
		}
		wg.Wait()
		count := map[string]int{}
		for _, a := range found {
			if len(a.Entry) == 1 {
				count[a.Entry[0].Response.Status[:3]]++
			}
		}
		if count["201"] != 1 || count["200"] != len(found)-1 {
			t.Errorf("statuses %v", count)
		}
	})
	t.Run("G4.8 Prefer decides what comes back", func(t *testing.T) {
		body := bundleOf("transaction", request(basic, "POST", "Basic"))
		for prefer, want := range map[string]string{"return=representation": `"resource":`, "return=OperationOutcome": `"outcome":`, "return=minimal": ""} {
			var a answers
			res := c.do(t, "POST", "", body, "Prefer", prefer).want(t, 200)
			res.into(t, &a)
			a.at(t, c, 0)
			if !strings.Contains(string(res.body), want) || (want == "" && strings.Contains(string(res.body), "resource\":")) {
				t.Errorf("%s: %s", prefer, res.body)
			}
			if r := a.Entry[0].Response; r.Etag == "" || r.LastModified == "" || !strings.Contains(r.Location, "/_history/") {
				t.Errorf("%s: %+v", prefer, r)
			}
		}
	})
	t.Run("G3.5 a patch is an entry", func(t *testing.T) {
		r := created(t, c)
		patch := `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Basic.code.text"},{"name":"value","valueString":"patched"}]}]}`
		for _, kind := range []string{"transaction", "batch"} {
			send(t, c, bundleOf(kind, request(patch, "PATCH", "Basic/"+r.ID)), 200)
		}
		if a := c.do(t, "GET", "Basic/"+r.ID, "").want(t, 200); !strings.Contains(string(a.body), "patched") || a.Header.Get("ETag") != `W/"2"` {
			t.Errorf("%s %s", a.Header.Get("ETag"), a.body)
		}
	})
	t.Run("G4.10 the base says that it takes them", func(t *testing.T) {
		for _, method := range []string{"OPTIONS", "PUT"} {
			if allow := c.do(t, method, "", "").want(t, 200, 204, 405).Header.Get("Allow"); !strings.Contains(allow, "POST") {
				t.Errorf("%s: Allow: %s", method, allow)
			}
		}
	})
	t.Run("G4.10 what is no batch or transaction is refused", func(t *testing.T) {
		for _, bad := range []string{
			`{"resourceType":"Bundle"}`, `{"resourceType":"Bundle","type":"collection"}`, basic, `[]`, `{"resourceType":"Bundle","type":"transaction","entry":[null]}`,
			`{"resourceType":"Bundle","type":"transaction","entry":[{"resource":null,"request":{"method":"POST","url":"Basic"}}]}`,
		} {
			c.do(t, "POST", "", bad).want(t, 400, 422)
		}
		c.do(t, "POST", "", bundleOf("transaction"), "Content-Type", "text/plain").want(t, 415)
		send(t, c, `{"resourceType":"Bundle","type":"transaction"}`)
	})
}

func batches(t *testing.T, c *client) {
	t.Run("G4.7 the entries of a batch have nothing to do with each other", func(t *testing.T) {
		r := created(t, c)
		a := send(t, c, bundleOf("batch",
			request("", "GET", "Basic/"+r.ID),
			request(`{"resourceType":"Basic"}`, "POST", "Basic"),
			request(withID(other, r.ID), "PUT", "Basic/"+r.ID),
			request("", "DELETE", "Basic/suite-never-was"),
			request(withID(basic, r.ID), "PUT", "Basic/"+r.ID, "ifMatch", `W/"99"`),
			request("", "GET", "Basic/suite-never-was"),
			`{}`, request("", "BREW", "Basic"), request("", "GET", "http://example.org/Basic/1"),
			request(basic, "POST", "Basic"),
		), 200, 422, 200, 204, 412, 404, 400, 400, 400, 201)
		a.at(t, c, 9)
		if !strings.Contains(string(a.Entry[1].Response.Outcome), "Bundle.entry[1]") || len(a.Entry[9].Resource) > 0 {
			t.Errorf("got %s", a.Entry[1].Response.Outcome)
		}
		if !strings.Contains(string(a.Entry[0].Resource), "changed") {
			t.Errorf("read before it was written: %s", a.Entry[0].Resource)
		}
	})
	t.Run("G4.9 searches, histories and the statement are entries", func(t *testing.T) {
		r := created(t, c)
		a := send(t, c, bundleOf("batch", request("", "GET", "metadata"), request("", "GET", "Basic?_id="+r.ID), request("", "GET", "Basic/"+r.ID+"/_history"),
			request("", "GET", "Basic/"+r.ID, "ifNoneMatch", `W/"`+r.Meta.VersionID+`"`), request("", "POST", "Basic/_search?_id="+r.ID), request("", "HEAD", "Basic/"+r.ID),
			request("", "GET", "?_type=Basic&_id="+r.ID)), 200, 200, 200, 304, 200, 200, 200)
		for i, want := range []string{"CapabilityStatement", "searchset", "history", "", "searchset", "", "searchset"} {
			if got := string(a.Entry[i].Resource); !strings.Contains(got, want) || want == "" && got != "" {
				t.Errorf("entry %d: %.200s", i, got)
			}
		}
	})
}
