package suite

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/internal/patience"
)

// parameters defines search parameters by SearchParameter resources (R4 3.1.4).
func parameters(t *testing.T, c *client) {
	code := "suite-" + strings.ToLower(rand.Text()[:8])
	define := func(status, expression string) string {
		return fmt.Sprintf(`{"resourceType":"SearchParameter","id":%q,"url":"http://example.org/SearchParameter/%s","name":"Suite","status":%q,
			"description":"Made by the conformance suite","code":%q,"base":["Basic"],"type":"string","expression":%q}`, code, code, status, code, expression)
	}
	place, expression := "SearchParameter/"+code, "Basic.extension('http://example.org/"+code+"').value"
	t.Run("G7.20 one that cannot be evaluated is 422", func(t *testing.T) {
		c.do(t, "PUT", place, define("active", expression+"(")).want(t, 422)
		c.do(t, "PUT", place, define("active", "Patient.name")).want(t, 422)
	})
	t.Run("G7.20 one that R4 has is 409", func(t *testing.T) {
		c.do(t, "PUT", place, strings.Replace(define("active", expression), `"code":"`+code, `"code":"_tag`, 1)).want(t, 409)
		c.do(t, "PUT", place, strings.Replace(define("active", expression), "example.org/SearchParameter/"+code, "hl7.org/fhir/SearchParameter/Basic-code", 1)).want(t, 409)
	})
	var before resource
	c.do(t, "POST", "Basic", `{"resourceType":"Basic","code":{"text":"x"},"extension":[{"url":"http://example.org/`+code+`","valueString":"Before"}]}`).want(t, 201).into(t, &before)
	t.Cleanup(func() { deleted(t, c, before.ID) })
	t.Cleanup(func() {
		if err := c.remove(c.base + "/" + place); err != nil {
			t.Error(err)
		}
	})
	c.do(t, "PUT", place, define("active", expression)).want(t, 201)
	t.Run("G7.20 another of its URL or code is 409", func(t *testing.T) {
		c.do(t, "PUT", place+"-2", strings.Replace(define("active", expression), `"id":"`+code, `"id":"`+code+"-2", 1)).want(t, 409)
	})
	t.Run("G7.20 what was there before is found once it is declared, and it is refused until then", func(t *testing.T) {
		if !c.declares(t, code, true) {
			t.Skip("indexing takes longer than this suite waits")
		}
		for _, e := range c.all(t, "Basic?"+code+"=bef") {
			if e.resource(t).ID != before.ID {
				t.Errorf("found %s", e.FullURL)
			}
		}
		var found bundle
		c.do(t, "GET", "Basic?"+code+"=bef&_total=accurate", "").want(t, 200).into(t, &found)
		if found.Total == nil || *found.Total != 1 {
			t.Errorf("%s are found", number(found.Total))
		}
	})
	t.Run("G7.20 a retired one is gone", func(t *testing.T) {
		c.do(t, "PUT", place, define("retired", expression)).want(t, 200)
		if c.declares(t, code, false) {
			t.Error("it is still declared")
		}
		c.do(t, "GET", "Basic?"+code+"=bef", "").want(t, 400)
	})
}

// declares waits until the statement has the parameter on Basic, or has it not; the
// result is whether it has. As long as it has not, a search by it is refused.
func (c *client) declares(t *testing.T, code string, want bool) bool {
	for deadline := time.Now().Add(patience.Limit); ; time.Sleep(100 * time.Millisecond) {
		a := c.do(t, "GET", "Basic?"+code+"=bef", "").want(t, 200, 400)
		var can capability
		c.do(t, "GET", "metadata", "").want(t, 200).into(t, &can)
		has := can.kind("Basic").searchesBy(code)
		if has == want || time.Now().After(deadline) {
			return has
		}
		if want && a.StatusCode == 200 {
			// It may have become ready in between, but not long ago.
			c.do(t, "GET", "metadata", "").want(t, 200).into(t, &can)
			if !can.kind("Basic").searchesBy(code) {
				t.Fatal("it is searched by without being declared")
			}
		}
	}
}
