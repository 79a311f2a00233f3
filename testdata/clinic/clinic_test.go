package clinic_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/testdata/clinic"
)

// load reads all documents, by collection and by _id.
func load(t testing.TB) map[string]map[string]bson.Raw {
	t.Helper()
	all := map[string]map[string]bson.Raw{}
	for doc, err := range clinic.Documents() {
		if err != nil {
			t.Fatal(err)
		}
		if all[doc.Collection] == nil {
			all[doc.Collection] = map[string]bson.Raw{}
		}
		id := key(doc.Body.Lookup("_id"))
		if all[doc.Collection][id] != nil {
			t.Errorf("%s %s is there twice", doc.Collection, id)
		}
		all[doc.Collection][id] = doc.Body
	}
	return all
}

// key is a value as the key that other documents refer to.
func key(v bson.RawValue) string {
	if oid, ok := v.ObjectIDOK(); ok {
		return oid.Hex()
	}
	if s, ok := v.StringValueOK(); ok {
		return s
	}
	return v.String()
}

func str(doc bson.Raw, path ...string) string {
	s, _ := doc.Lookup(path...).StringValueOK()
	return s
}

func malformed(id string) bool { return strings.HasPrefix(strings.TrimPrefix(id, "x/"), "fbad") }

func TestEveryCollectionIsAsLargeAsTheReadmeSays(t *testing.T) {
	t.Parallel()
	readme := readme(t)
	got := map[string]string{}
	for name, docs := range load(t) {
		got[name] = fmt.Sprint(len(docs))
	}
	want := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| +([0-9]+) \\|").FindAllStringSubmatch(readme, -1) {
		want[m[1]] = m[2]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("README.md (-) and the data (+) differ:\n%s", diff)
	}
	if !slices.Equal(clinic.Collections(), slices.Sorted(maps.Keys(got))) {
		t.Errorf("Collections() = %v", clinic.Collections())
	}
}

func TestDemoPeopleAreOfTheirAge(t *testing.T) {
	t.Parallel()
	all := load(t)
	for id, age := range map[string]int{"amy-shaw": 35, "tom-shaw": 43, "lena-shaw": 14, "max-shaw": 6} {
		doc := all["patients"][id]
		if doc == nil {
			t.Errorf("no patient %s", id)
			continue
		}
		born, err := time.Parse(time.DateOnly, str(doc, "dob"))
		if err != nil {
			t.Error(err)
		}
		for _, when := range []time.Time{clinic.Today(), clinic.Today().AddDate(0, 11, 10)} {
			if got := years(born, when); got != age {
				t.Errorf("%s is %d on %s, want %d", id, got, when.Format(time.DateOnly), age)
			}
		}
		if gp := str(doc, "gp"); gp != "dr-okafor" {
			t.Errorf("%s has gp %s", id, gp)
		}
	}
	for _, id := range []string{"dr-okafor", "dr-lindt", "admin"} {
		if all["staff"][id] == nil {
			t.Errorf("no staff %s", id)
		}
	}
	for _, child := range []string{"lena", "max"} {
		doc := all["relatives"]["tom-shaw-for-"+child]
		if str(doc, "pid") != child+"-shaw" || str(doc, "rel") != "FAR" || str(doc, "account") != "tom.shaw" {
			t.Errorf("tom.shaw is not the father of %s: %s", child, doc)
		}
	}
}

func TestDrLindtHasNothingToDoWithTheShaws(t *testing.T) {
	t.Parallel()
	for name, docs := range load(t) {
		for id, doc := range docs {
			pid := str(doc, "pid")
			if name == "patients" {
				pid = id
			}
			if strings.HasSuffix(pid, "-shaw") && strings.Contains(doc.String(), "dr-lindt") && name != "access_log" {
				t.Errorf("%s %s: %s", name, id, doc)
			}
		}
	}
}

func TestEveryStateIsThere(t *testing.T) {
	t.Parallel()
	all := load(t)
	for _, c := range []struct {
		collection, field string
		want              []string
	}{
		{"appointments", "state", []string{"REQ", "HOLD", "CONF", "ARR", "DONE", "CANX", "NOSH"}},
		{"prescriptions", "st", []string{"D", "A", "H", "S", "C", "X", "RQ", "RA", "RD"}},
		{"slots", "st", []string{"F", "B", "T", "U"}},
		{"vitals_labs", "st", []string{"P", "F", "C", "X"}},
		{"vitals_labs", "flag", []string{"N", "H", "L", "HH", "LL", "A"}},
		{"vitals_labs", "kind", []string{"vitals", "lab"}},
		{"patients", "sex", []string{"F", "M", "O", "U"}},
	} {
		seen := map[string]int{}
		for id, doc := range all[c.collection] {
			if !malformed(id) {
				seen[str(doc, c.field)]++
			}
		}
		delete(seen, "")
		slices.Sort(c.want)
		if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, c.want) {
			t.Errorf("%s.%s has %v, want %v", c.collection, c.field, got, c.want)
		}
	}
}

func TestThereIsOneOfEachSpecialCase(t *testing.T) {
	t.Parallel()
	all := load(t)
	has := func(path ...string) func(bson.Raw) bool {
		return func(d bson.Raw) bool { _, err := d.LookupErr(path...); return err == nil }
	}
	lacks := func(f func(bson.Raw) bool) func(bson.Raw) bool { return func(d bson.Raw) bool { return !f(d) } }
	both := func(f, g func(bson.Raw) bool) func(bson.Raw) bool {
		return func(d bson.Raw) bool { return f(d) && g(d) }
	}
	is := func(want string, path ...string) func(bson.Raw) bool {
		return func(d bson.Raw) bool { return str(d, path...) == want }
	}
	for _, c := range []struct {
		name, collection string
		holds            func(bson.Raw) bool
	}{
		{"deceased patient", "patients", has("died")},
		{"merged patient", "patients", has("merged_into")},
		{"year of birth only", "patients", is("1931", "dob")},
		{"month of birth only", "patients", is("1987-06", "dob")},
		{"birth date unknown", "patients", both(lacks(has("dob")), has("mrn"))},
		{"inactive patient", "patients", has("inactive")},
		{"foreign address", "patients", has("addr", "0", "cc")},
		{"unreleased lab", "vitals_labs", both(is("lab", "kind"), lacks(has("released_at")))},
		{"text result", "vitals_labs", has("txt")},
		{"explained result", "vitals_labs", has("explain")},
		{"test without LOINC", "vitals_labs", is("URSTX", "test")},
		{"old name of a test", "vitals_labs", is("A1C", "test")},
		{"vitals from home", "vitals_labs", both(is("vitals", "kind"), is("patient", "by", "role"))},
		{"request by a relative", "prescriptions", both(is("RQ", "st"), is("related", "by", "role"))},
		{"drug without ATC code", "prescriptions", lacks(has("drug", "atc"))},
		{"unread message", "messages", both(has("sent"), lacks(has("read_at")))},
		{"message with a file", "messages", has("files", "0", "gridfs")},
		{"message by a relative", "messages", is("related", "from", "role")},
		{"reply", "messages", has("reply_to")},
		{"two recipients", "messages", has("to", "1")},
		{"draft", "messages", lacks(has("sent"))},
		{"relative whose right has ended", "relatives", has("until")},
		{"relation in no code table", "relatives", is("NABO", "rel")},
		{"appointment with a slot", "appointments", has("slot")},
	} {
		found := false
		for id, doc := range all[c.collection] {
			found = found || !malformed(id) && c.holds(doc)
		}
		if !found {
			t.Errorf("no %s", c.name)
		}
	}
}

func TestReferencesLeadSomewhere(t *testing.T) {
	t.Parallel()
	all := load(t)
	target := map[string]string{
		"pid": "patients", "gp": "staff", "prov": "staff", "loc": "locations", "site": "locations", "slot": "slots",
		"renew_of": "prescriptions", "thread": "messages", "reply_to": "messages", "merged_into": "patients",
	}
	byRole := map[string]string{"patient": "patients", "related": "relatives", "staff": "staff"}
	for name, docs := range all {
		for id, doc := range docs {
			if malformed(id) {
				continue
			}
			for field, to := range target {
				if v, err := doc.LookupErr(field); err == nil && all[to][key(v)] == nil {
					t.Errorf("%s %s: %s %s is not in %s", name, id, field, key(v), to)
				}
			}
			people := []bson.RawValue{doc.Lookup("by"), doc.Lookup("from")}
			if to, ok := doc.Lookup("to").ArrayOK(); ok {
				all, err := to.Values()
				if err != nil {
					t.Fatal(err)
				}
				people = append(people, all...)
			}
			for _, v := range people {
				if who, ok := v.DocumentOK(); ok && all[byRole[str(who, "role")]][key(who.Lookup("id"))] == nil {
					t.Errorf("%s %s: nobody is %s", name, id, who)
				}
			}
		}
	}
}

func TestMalformedDocumentsAreThoseOfTheReadme(t *testing.T) {
	t.Parallel()
	var want, got []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| `((?:x/)?fbad[^`]*)` \\|").FindAllStringSubmatch(readme(t), -1) {
		want = append(want, m[1]+" "+m[2])
	}
	for name, docs := range load(t) {
		for id := range docs {
			if malformed(id) {
				got = append(got, name+" "+id)
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || len(got) == 0 {
		t.Errorf("README.md (-) and the data (+) differ:\n%s", diff)
	}
}

// The project's README shows one document of the clinic, without its _id and who
// wrote it when.
func TestTheVisitOfTheReadmeIsThere(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^\{"kind": "vitals".*\}$`).Find(page)
	var shown bson.Raw
	if err := bson.UnmarshalExtJSON(line, false, &shown); err != nil {
		t.Fatal(err)
	}
	elements, err := shown.Elements()
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range load(t)["vitals_labs"] {
		same := true
		for _, e := range elements {
			same = same && doc.Lookup(e.Key()).Equal(e.Value())
		}
		if same {
			return
		}
	}
	t.Errorf("nothing is like %s", line)
}

func TestNothingWasRecordedAfterToday(t *testing.T) {
	t.Parallel()
	for name, docs := range load(t) {
		for id, doc := range docs {
			for _, field := range []string{"upd", "made", "sent", "read_at", "released_at", "at"} {
				if when, ok := doc.Lookup(field).TimeOK(); ok && when.After(clinic.Today()) {
					t.Errorf("%s %s: %s is %s", name, id, field, when)
				}
			}
		}
	}
}

func TestDataStayReadableInSize(t *testing.T) {
	t.Parallel()
	total := int64(0)
	for _, name := range clinic.Collections() {
		info, err := os.Stat("collections/" + name + ".jsonl")
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if total > 2_500_000 {
		t.Errorf("%d bytes", total)
	}
}

func BenchmarkDocuments(b *testing.B) {
	for b.Loop() {
		for _, err := range clinic.Documents() {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func years(born, when time.Time) int {
	n := when.Year() - born.Year()
	if when.Before(born.AddDate(n, 0, 0)) {
		n--
	}
	return n
}
