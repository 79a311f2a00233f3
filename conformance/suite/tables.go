package suite

import (
	"crypto/rand"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/conformance/exact"
)

// tables runs the decision tables of conformance/exact on the types that clients
// can write. Those that depend on the server's time zone are left out, since it is not told.
func tables(t *testing.T, c *client, can capability) {
	files, err := exact.Files(c.base, strings.ToLower(rand.Text()[:8])+"-")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		t.Run(f.Name, func(t *testing.T) {
			for _, table := range f.Tables {
				t.Run(table.Claim, func(t *testing.T) {
					k := can.kind(table.Type)
					switch {
					case k == nil || !k.does("search-type"):
						t.Skip("the server does not let " + table.Type + " be searched")
					case slices.ContainsFunc(table.Resources, func(r exact.Resource) bool { return !can.takes(r.Type) }):
						t.Skip("the server does not take a resource of a table under an id of the client's")
					case table.Zone != "":
						t.Skip("depends on the time zone of the server")
					}
					c.table(t, table)
				})
			}
		})
	}
}

// takes reports whether resources of a type can be put and removed under any id.
func (c capability) takes(typ string) bool {
	k := c.kind(typ)
	return k != nil && k.UpdateCreate && k.does("update", "delete")
}

// table writes the resources and searches among them.
func (c *client) table(t *testing.T, table exact.Table) {
	var ids []string
	for _, r := range table.Resources {
		body := map[string]any{}
		if err := json.Unmarshal([]byte(r.Body), &body); err != nil {
			t.Fatal(err)
		}
		members, _ := strings.CutPrefix(r.Body, "{")
		if len(body) > 0 {
			members = "," + members
		}
		where := r.Type + "/" + r.ID
		t.Cleanup(func() {
			if err := c.remove(c.base + "/" + where); err != nil {
				t.Error(err)
			}
		})
		c.do(t, "PUT", where, `{"resourceType":"`+r.Type+`","id":"`+r.ID+`"`+members).want(t, 200, 201)
		if r.Type == table.Type {
			ids = append(ids, r.ID)
		}
	}
	for _, s := range table.Searches {
		c.decide(t, table.Type, s, ids)
	}
}

// decide sends one search by GET and by POST. What it finds is looked for among
// the resources of the table only: a server may hold others.
func (c *client) decide(t *testing.T, typ string, s exact.Search, among []string) {
	query := encode(s.Query)
	if s.Refused != "" {
		a := c.do(t, "GET", typ+"?"+query, "").want(t, 400)
		var o struct{ Issue []struct{ Code string } }
		if a.into(t, &o); len(o.Issue) == 0 || o.Issue[0].Code != s.Refused {
			t.Errorf("%s: refused as %+v, want %s", s.Query, o.Issue, s.Refused)
		}
		return
	}
	query += "&_id=" + strings.Join(among, ",") + "&_total=accurate"
	var found []string
	for _, e := range c.all(t, typ+"?"+query+"&_count=3") {
		found = append(found, e.resource(t).ID)
	}
	slices.Sort(found)
	want := slices.Sorted(slices.Values(s.IDs))
	if !slices.Equal(found, want) {
		t.Errorf("%s: found %v, want %v", s.Query, found, want)
	}
	var post bundle
	c.do(t, "POST", typ+"/_search", query+"&_count=0", "Content-Type", "application/x-www-form-urlencoded").want(t, 200).into(t, &post)
	if post.Total == nil || *post.Total != len(want) {
		t.Errorf("POST %s: total %s, want %d", s.Query, number(post.Total), len(want))
	}
}

func number(n *int) string {
	if n == nil {
		return "none"
	}
	return strconv.Itoa(*n)
}

// encode percent-encodes the values of a query that is written for people.
func encode(query string) string {
	var parts []string
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		parts = append(parts, url.QueryEscape(name)+"="+url.QueryEscape(value))
	}
	return strings.Join(parts, "&")
}
