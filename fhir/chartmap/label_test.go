package chartmap_test

import (
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/store"
)

const labeledNotes = `
chartmap: 1
source: { database: clinic }
maps:
- name: note
  resource: Observation
  from: notes
  id: _id
  labels: { V: { sealed: true }, R: { kind: { $in: [court] } }, L: { kind: hygiene }, PSY: { kind: psych }, "urn:clinic|vip": { vip: { $exists: true } } }
  elements:
    status: { $const: final }
    code: { text: kind }
    subject: { $ref: Patient, $from: pid }
    valueString: text
`

// labelsOf gives the security labels of a resource, the confidentiality first.
func labelsOf(t *testing.T, res fhir.Resource) string {
	t.Helper()
	var out []string
	meta := tree(t, res.Body)["meta"].(object)
	if security, ok := meta["security"].([]any); ok {
		for _, c := range security {
			c := c.(object)
			system := c["system"].(string)
			out = append(out, system[strings.LastIndexByte(system, '/')+1:]+"|"+c["code"].(string))
		}
	}
	return strings.Join(out, " ")
}

func TestSecurityLabelsFollowFromTheDocument(t *testing.T) {
	t.Parallel()
	notes := []struct {
		doc  bson.D
		want string
	}{
		{bson.D{{Key: "_id", Value: "plain"}, {Key: "kind", Value: "visit"}}, "v3-Confidentiality|N"},
		{bson.D{{Key: "_id", Value: "low"}, {Key: "kind", Value: "hygiene"}}, "v3-Confidentiality|L"},
		{bson.D{{Key: "_id", Value: "court"}, {Key: "kind", Value: "court"}}, "v3-Confidentiality|R"},
		{bson.D{{Key: "_id", Value: "psych"}, {Key: "kind", Value: "psych"}}, "v3-Confidentiality|R v3-ActCode|PSY"},
		{bson.D{{Key: "_id", Value: "sealed"}, {Key: "kind", Value: "psych"}, {Key: "sealed", Value: true}, {Key: "vip", Value: 1}}, "v3-Confidentiality|V v3-ActCode|PSY urn:clinic|vip"},
		{bson.D{{Key: "_id", Value: "vip"}, {Key: "kind", Value: "hygiene"}, {Key: "vip", Value: nil}}, "v3-Confidentiality|L urn:clinic|vip"},
	}
	for name, open := range backends() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := chartmap.Load([]byte(labeledNotes), "c.yaml")
			if err != nil {
				t.Fatal(err)
			}
			var ops []store.Op
			for _, n := range notes {
				ops = append(ops, store.Op{Kind: store.Insert, Collection: "notes", Doc: marshaled(t, append(n.doc, bson.E{Key: "pid", Value: "p1"}, bson.E{Key: "text", Value: "x"}))})
			}
			r := repositoryWith(t, open, m, ops)
			for _, n := range notes {
				key := fhir.Key{Type: "Observation", ID: n.doc[0].Value.(string)}
				res := must(r.Read(t.Context(), key))
				if got := labelsOf(t, res); got != n.want {
					t.Errorf("%s has %s, want %s", key, got, n.want)
				}
				if _, err := (&schema.Validator{}).Validate(res.Body, "Observation"); err != nil {
					t.Errorf("%s: %v", key, err)
				}
			}
			for asked, want := range map[string]string{
				"N": "plain", "L": "low vip", "R": "court psych", "V": "sealed", "PSY": "psych sealed", "urn:clinic|vip": "sealed vip", "urn:clinic|": "sealed vip",
				"http://terminology.hl7.org/CodeSystem/v3-Confidentiality|R": "court psych", "http://terminology.hl7.org/CodeSystem/v3-ActCode|R": "", "HIV": "",
			} {
				if got := foundBy(t, r, "_security="+asked); got != want {
					t.Errorf("_security=%s finds %q, want %q", asked, got, want)
				}
			}
			if got := foundBy(t, r, "_security:not=R"); got != "low plain sealed vip" {
				t.Errorf("_security:not=R finds %q", got)
			}
			if got := foundBy(t, r, "_security:missing=true"); got != "" {
				t.Errorf("without labels: %q", got)
			}
		})
	}
}

// parsedQuery reads a search as a client writes it.
func parsedQuery(t *testing.T, r fhir.Repository, typ fhir.Type, query string) *fhir.Query {
	t.Helper()
	name, value, _ := strings.Cut(query, "=")
	p := search.Parser{Describe: r.Describe, DefaultCount: 100, MaxCount: 1000}
	parsed, err := p.Parse(typ, []search.Pair{{Name: name, Value: value}}, false, "")
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return parsed.Query
}

// foundBy gives the ids of the Observations that a search finds, in order.
func foundBy(t *testing.T, r fhir.Repository, query string) string {
	t.Helper()
	page, err := r.Search(t.Context(), parsedQuery(t, r, "Observation", query))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, res := range page.Resources {
		ids = append(ids, res.ID)
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

func TestLabelsAreNotTheClients(t *testing.T) {
	t.Parallel()
	label := func(system, code string) []any { return []any{object{"system": system, "code": code}} }
	const levels = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
	tests := []struct {
		claim string
		who   *commit.Actor
		edit  func(m object)
		want  string // the refusal
		after string // the labels
	}{
		{claim: "left out", edit: func(m object) { delete(m, "meta"); m["valueString"] = "y" }, after: "v3-Confidentiality|R v3-ActCode|PSY"},
		{claim: "sent back", edit: func(m object) { m["valueString"] = "y" }, after: "v3-Confidentiality|R v3-ActCode|PSY"},
		{claim: "sent back in another order, with a name", edit: func(m object) {
			slices.Reverse(m["meta"].(object)["security"].([]any))
			within(m, "meta", "security", 0)["display"] = "psychiatry"
		}, after: "v3-Confidentiality|R v3-ActCode|PSY"},
		{claim: "lowered", edit: func(m object) { m["meta"] = object{"security": label(levels, "N")} }, want: "business-rule Observation.meta.security"},
		{claim: "one taken away", edit: func(m object) { m["meta"] = object{"security": label(levels, "R")} }, want: "business-rule Observation.meta.security"},
		{claim: "one more", edit: func(m object) {
			meta := m["meta"].(object)
			meta["security"] = append(meta["security"].([]any), label("urn:x", "y")...)
		}, want: "business-rule Observation.meta.security"},
		{claim: "changed with what they follow from", who: clinician, edit: func(m object) { m["code"] = object{"text": "visit"} }, after: "v3-Confidentiality|N"},
		{claim: "as they will be", who: clinician, edit: func(m object) {
			m["code"] = object{"text": "visit"}
			m["meta"] = object{"security": label(levels, "N")}
		}, after: "v3-Confidentiality|N"},
		{claim: "made to go away by a patient", who: amy, edit: func(m object) { m["code"] = object{"text": "visit"} }, want: "forbidden Observation"},
		{claim: "raised by a patient", who: amy, edit: func(m object) { m["valueString"] = "y" }, after: "v3-Confidentiality|R v3-ActCode|PSY"},
		{claim: "with a tag", edit: func(m object) { m["meta"].(object)["tag"] = label("urn:x", "y") }, after: "v3-Confidentiality|R v3-ActCode|PSY"},
	}
	for _, tt := range tests {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			m, err := chartmap.Load([]byte(labeledNotes), "c.yaml")
			if err != nil {
				t.Fatal(err)
			}
			doc := bson.D{{Key: "_id", Value: "n"}, {Key: "kind", Value: "psych"}, {Key: "pid", Value: "p1"}, {Key: "text", Value: "x"}}
			r := repositoryWith(t, backends()["memory"], m, []store.Op{{Kind: store.Insert, Collection: "notes", Doc: marshaled(t, doc)}})
			key := fhir.Key{Type: "Observation", ID: "n"}
			body := edited(t, r, key, tt.edit)
			_, err = r.Commit(as(t.Context(), tt.who), []fhir.Change{{Method: fhir.Put, Key: key, Body: body}})
			if got := refused(err); got != tt.want && (err != nil || tt.want != "") {
				t.Fatalf("%q, want %q (%v)", got, tt.want, err)
			}
			res := must(r.Read(t.Context(), key))
			if err == nil && labelsOf(t, res) != tt.after {
				t.Errorf("has %s, want %s", labelsOf(t, res), tt.after)
			}
			if got := foundBy(t, r, "_security=PSY"); (got == "n") != strings.Contains(labelsOf(t, res), "PSY") {
				t.Errorf("_security=PSY finds %q", got)
			}
			results, err := r.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: key, Body: res.Body}})
			if err != nil || results[0].Status != fhir.Unchanged {
				t.Errorf("putting back what was read: %v, %v", results, err)
			}
		})
	}
}

// A version that is a hash changes with the labels, which are part of the resource.
func TestAVersionChangesWithTheLabels(t *testing.T) {
	t.Parallel()
	m, err := chartmap.Load([]byte(labeledNotes), "c.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc := bson.D{{Key: "_id", Value: "n"}, {Key: "kind", Value: "visit"}, {Key: "pid", Value: "p1"}}
	r := repositoryWith(t, backends()["memory"], m, []store.Op{{Kind: store.Insert, Collection: "notes", Doc: marshaled(t, doc)}})
	key := fhir.Key{Type: "Observation", ID: "n"}
	before := must(r.Read(t.Context(), key))
	ehrWrites(t, r.Store, "notes", store.String("n"), "sealed", true)
	after := must(r.Read(t.Context(), key))
	if before.Version == after.Version || labelsOf(t, after) != "v3-Confidentiality|V" {
		t.Errorf("version %s with %s, before %s", after.Version, labelsOf(t, after), before.Version)
	}
}
