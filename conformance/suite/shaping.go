package suite

import (
	"encoding/json"
	"strings"
	"testing"
)

// shaping looks at _summary and _elements on a type that can be searched.
func shaping(t *testing.T, c *client, k kind) {
	var all bundle
	c.do(t, "GET", k.Type+"?_count=5", "").want(t, 200).into(t, &all)
	members := func(e entry) map[string]json.RawMessage {
		t.Helper()
		var m map[string]json.RawMessage
		if err := json.Unmarshal(e.Resource, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	t.Run("G7.15 what is cut is a part of the resource, and tagged", func(t *testing.T) {
		for _, shape := range []string{"_summary=true", "_summary=text", "_summary=data", "_elements=id"} {
			var cut bundle
			c.do(t, "GET", k.Type+"?_count=5&"+shape, "").want(t, 200).into(t, &cut)
			if len(cut.Entry) != len(all.Entry) || !strings.Contains(cut.link("self"), shape) {
				t.Fatalf("%s: %d entries of %d, self %s", shape, len(cut.Entry), len(all.Entry), cut.link("self"))
			}
			for i, e := range cut.Entry {
				whole, part := members(all.Entry[i]), members(e)
				if e.FullURL != all.Entry[i].FullURL || string(part["id"]) != string(whole["id"]) || !strings.Contains(string(part["meta"]), `"SUBSETTED"`) {
					t.Errorf("%s: %.300s", shape, e.Resource)
				}
				for name := range part {
					if _, ok := whole[name]; !ok && name != "meta" {
						t.Errorf("%s: %s has %s, which the resource has not", shape, e.FullURL, name)
					}
				}
				a := c.do(t, "GET", e.FullURL+"?"+shape, "").want(t, 200)
				if string(a.body) != string(e.Resource) {
					t.Errorf("%s: read %.300s, found %.300s", shape, a.body, e.Resource)
				}
			}
		}
	})
	t.Run("G7.15 _summary=data is all but the text, _summary=text has it", func(t *testing.T) {
		var data, text bundle
		c.do(t, "GET", k.Type+"?_count=5&_summary=data", "").want(t, 200).into(t, &data)
		c.do(t, "GET", k.Type+"?_count=5&_summary=text", "").want(t, 200).into(t, &text)
		for i, e := range all.Entry {
			whole, part := members(e), members(data.Entry[i])
			for name, value := range whole {
				if name != "meta" && name != "text" && string(part[name]) != string(value) {
					t.Errorf("%s: %s is %.100s", e.FullURL, name, part[name])
				}
			}
			if _, ok := part["text"]; ok || string(members(text.Entry[i])["text"]) != string(whole["text"]) {
				t.Errorf("%s: text in data, or not in text", e.FullURL)
			}
		}
	})
	t.Run("G7.15 what cannot be is 400", func(t *testing.T) {
		for _, bad := range []string{"_elements=noSuchElement", "_summary=some", "_summary=true&_elements=id"} {
			c.do(t, "GET", k.Type+"?"+bad, "").want(t, 400)
		}
	})
	t.Run("G7.15 _summary=count is the total alone", func(t *testing.T) {
		var counted bundle
		c.do(t, "GET", k.Type+"?_summary=count", "").want(t, 200).into(t, &counted)
		if counted.Total == nil || len(counted.Entry) != 0 {
			t.Errorf("got %+v", counted)
		}
	})
}
