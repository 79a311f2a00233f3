package suite

import (
	"strings"
	"testing"
)

func capabilities(t *testing.T, c *client, can capability) {
	t.Run("G6 metadata describes a running R4 server", func(t *testing.T) {
		if can.ResourceType != "CapabilityStatement" || can.FHIRVersion != "4.0.1" || can.Kind != "instance" || can.Status != "active" ||
			can.Software.Name == "" || can.Implementation.URL == "" || can.Rest[0].Mode != "server" || can.Date == "" {
			t.Errorf("got %+v", can)
		}
	})
	t.Run("G6 metadata is answered with 304 to who has it", func(t *testing.T) {
		tag := c.do(t, "GET", "metadata", "").want(t, 200).Header.Get("ETag")
		c.do(t, "GET", "metadata", "", "If-None-Match", tag).want(t, 304)
		if again := c.do(t, "GET", "metadata", "").Header.Get("ETag"); tag == "" || again != tag {
			t.Errorf("ETag %q, then %q", tag, again)
		}
	})
	t.Run("F15 metadata says what _lastUpdated means", func(t *testing.T) {
		for _, r := range can.Rest[0].Resource {
			for _, p := range r.SearchParam {
				if p.Name == "_lastUpdated" && p.Documentation == "" {
					t.Errorf("%s does not", r.Type)
				}
			}
		}
	})
	t.Run("A11 metadata is open to every origin", func(t *testing.T) {
		a := c.do(t, "GET", "metadata", "", "Origin", "https://app.example.org").want(t, 200)
		if a.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("headers %v", a.Header)
		}
	})
	t.Run("G6 every search parameter declared is understood", func(t *testing.T) {
		// Most values are right for several types: so are the parts of a composite,
		// whose types the statement does not tell.
		sample := map[string]string{
			"number": "2020", "date": "2020", "string": "2020", "token": "2020", "reference": "2020", "quantity": "2020", "uri": "urn:a",
			"composite": "2020$2020", "special": "59.9|10.7|5|km",
		}
		for _, r := range can.Rest[0].Resource {
			for _, p := range r.SearchParam {
				value, ok := sample[p.Type]
				if p.Name == "_filter" {
					value = "_lastUpdated%20gt%202020"
				}
				if !ok {
					t.Errorf("%s: no sample for a %s parameter", p.Name, p.Type)
					continue
				}
				a := c.do(t, "GET", r.Type+"?_count=1&"+p.Name+"="+value, "")
				if a.StatusCode != 200 && p.Type == "composite" { // some have three parts
					a = c.do(t, "GET", r.Type+"?_count=1&"+p.Name+"="+value+"$2020", "")
				}
				if a.StatusCode != 200 {
					t.Errorf("%s?%s=%s: %d %.300s", r.Type, p.Name, value, a.StatusCode, a.body)
				}
			}
		}
	})
	t.Run("G6 what is not declared is refused", func(t *testing.T) {
		for _, r := range can.Rest[0].Resource {
			if !r.does("read") {
				c.do(t, "GET", r.Type+"/x", "").want(t, 405)
			}
			if !r.does("search-type") {
				c.do(t, "GET", r.Type, "").want(t, 405)
			}
			if !r.does("create") {
				c.do(t, "POST", r.Type, `{"resourceType":"`+r.Type+`"}`).want(t, 405)
			}
			if !r.does("delete") {
				c.do(t, "DELETE", r.Type+"/x", "").want(t, 405)
			}
		}
	})
}

func negotiation(t *testing.T, c *client) {
	t.Run("G5.1 _format wins over Accept", func(t *testing.T) {
		a := c.do(t, "GET", "metadata?_format=json", "", "Accept", "application/fhir+xml").want(t, 200)
		if !strings.HasPrefix(a.Header.Get("Content-Type"), "application/fhir+json") {
			t.Errorf("got %s", a.Header.Get("Content-Type"))
		}
	})
	t.Run("G5.2 what is not spoken is 406", func(t *testing.T) {
		c.do(t, "GET", "metadata", "", "Accept", "image/png").want(t, 406)
		c.do(t, "GET", "metadata?_format=pdf", "").want(t, 406)
	})
	t.Run("G5.3 every error is an OperationOutcome", func(t *testing.T) {
		c.do(t, "GET", "NoSuchType/1", "").want(t, 404)
		c.do(t, "GET", "no/such/route/at/all", "").want(t, 404)
		c.do(t, "BREW", "metadata", "").want(t, 405)
		c.do(t, "GET", "metadata?_pretty=perhaps", "").want(t, 400)
	})
	t.Run("G5.4 the request id comes back", func(t *testing.T) {
		if got := c.do(t, "GET", "metadata", "", "X-Request-Id", "suite-1").Header.Get("X-Request-Id"); got != "suite-1" {
			t.Errorf("got %q", got)
		}
	})
}
