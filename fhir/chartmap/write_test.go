package chartmap_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/store"
)

// tree reads JSON; numbers keep their text.
func tree(t failer, body []byte) map[string]any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var out map[string]any
	if err := dec.Decode(&out); err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return out
}

// edited reads a resource and changes it.
func edited(t testing.TB, r *chartmap.Repository, key fhir.Key, edit func(m map[string]any)) []byte {
	t.Helper()
	res, err := r.Read(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	m := tree(t, res.Body)
	edit(m)
	return encoded(t, m)
}

func encoded(t failer, v any) []byte {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// put commits one update.
func put(t testing.TB, r *chartmap.Repository, key fhir.Key, body []byte) fhir.Result {
	t.Helper()
	results, err := r.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: key, Body: body}})
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return results[0]
}

// document reads a document of the EHR.
func document(t testing.TB, st store.Store, collection string, id store.Value) bson.M {
	t.Helper()
	for doc, err := range st.Find(t.Context(), store.Query{Collection: "clinic." + collection, Where: store.Eq{Path: "_id", Value: id}}) {
		if err != nil {
			t.Fatal(err)
		}
		var m bson.M
		if err := bson.Unmarshal(doc, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	return nil
}

// changes lists the top-level fields that differ.
func changes(before, after bson.M) map[string]any {
	out := map[string]any{}
	for k, v := range after {
		if !cmp.Equal(before[k], v) {
			out[k] = v
		}
	}
	for k := range before {
		if _, ok := after[k]; !ok {
			out[k] = "unset"
		}
	}
	return out
}

// content is a resource without what the server owns.
func content(t failer, body []byte) map[string]any {
	t.Helper()
	m := tree(t, body)
	delete(m, "id")
	if meta, ok := m["meta"].(map[string]any); ok {
		delete(meta, "versionId")
		delete(meta, "lastUpdated")
		if len(meta) == 0 {
			delete(m, "meta")
		}
	}
	return m
}

// refused says which code and place an error has.
func refused(err error) string {
	var told *fhir.Error
	if !errors.As(err, &told) {
		return "no fhir.Error"
	}
	var out []string
	for _, is := range told.Issues {
		out = append(out, string(is.Code)+" "+is.Path)
	}
	return strings.Join(out, "; ")
}

var patientID = fhir.Key{Type: "Patient", ID: "58a0b0b0c11e1c0007a42577"}

func oid(s string) store.Value {
	id, err := bson.ObjectIDFromHex(s)
	if err != nil {
		panic(err)
	}
	return store.V(id)
}

func TestAnUpdateOfAPatientChangesOnlyWhatDiffers(t *testing.T) {
	t.Parallel()
	r := clinicOf(t)
	before := document(t, r.Store, "patients", oid(patientID.ID))
	body := edited(t, r, patientID, func(m map[string]any) {
		m["telecom"] = []any{map[string]any{"system": "phone", "use": "mobile", "value": "+47 00 11 22 33"}}
		m["maritalStatus"] = map[string]any{"text": "married"}
		m["meta"].(map[string]any)["tag"] = []any{map[string]any{"system": "urn:x", "code": "vip"}}
		m["text"] = map[string]any{"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">Gro Anna Bakke</div>"}
		m["_birthDate"] = map[string]any{"extension": []any{map[string]any{"url": "urn:time", "valueString": "noon"}}}
		name := m["name"].([]any)[0].(map[string]any)
		name["given"] = []any{"Gro", "Anna", "Third"}
		name["period"] = map[string]any{"start": "1990"}
	})
	res := put(t, r, patientID, body)
	if res.Status != fhir.Updated {
		t.Errorf("status %v", res.Status)
	}
	after := document(t, r.Store, "patients", oid(patientID.ID))
	want := map[string]any{
		"mobile": "+47 00 11 22 33", "name": bson.D{{Key: "last", Value: "Bakke"}, {Key: "first", Value: "Gro"}, {Key: "middle", Value: "Anna"}},
		"rev": int32(8), "upd": bson.NewDateTimeFromTime(r.Now()),
	}
	if diff := cmp.Diff(want, changes(before, after)); diff != "" {
		t.Errorf("the document: %s", diff)
	}
	got, err := r.Read(t.Context(), patientID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(content(t, body), content(t, got.Body)); diff != "" {
		t.Errorf("what is read back: %s", diff)
	}
	if !bytes.Equal(got.Body, res.Resource.Body) || got.Version != "8" || res.Resource.Version != "8" {
		t.Errorf("the answer %s is not what is read, %s", res.Resource.Body, got.Body)
	}
	page, err := r.Search(t.Context(), &fhir.Query{Type: "Patient", Count: 100})
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, p := range page.Resources {
		if p.ID == patientID.ID {
			found = bytes.Equal(p.Body, got.Body)
		}
	}
	if !found {
		t.Error("a search finds something else")
	}
	// The EHR renames: what belonged to the old name is not shown with the new one.
	err = r.Store.Apply(t.Context(), []store.Op{{
		Kind: store.Update, Collection: "clinic.patients", ID: oid(patientID.ID),
		Set: []store.Field{{Path: "name.last", Value: store.String("Ek")}, {Path: "rev", Value: store.V(9)}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	renamed := content(t, must(r.Read(t.Context(), patientID)).Body)
	name := renamed["name"].([]any)[0].(map[string]any)
	if name["period"] != nil || renamed["text"] != nil || renamed["maritalStatus"] == nil || renamed["_birthDate"] == nil {
		t.Errorf("after the EHR changed the name: %v", renamed)
	}
}

func must(res fhir.Resource, err error) fhir.Resource {
	if err != nil {
		panic(err)
	}
	return res
}
