package record

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDocumentsOfTypicalResourcesAreSmall(t *testing.T) {
	t.Parallel()
	body := []byte(`{"resourceType":"Observation","status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}],` +
		`"code":{"coding":[{"system":"http://loinc.org","code":"85354-9","display":"Blood pressure panel with all children optional"}],"text":"Blood pressure"},"subject":{"reference":"Patient/1"},` +
		`"component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6","display":"Systolic blood pressure"}],"text":"Systolic blood pressure"},"valueQuantity":{"value":120,"unit":"mm[Hg]","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},` +
		`{"code":{"coding":[{"system":"http://loinc.org","code":"8462-4","display":"Diastolic blood pressure"}],"text":"Diastolic blood pressure"},"valueQuantity":{"value":80,"unit":"mm[Hg]","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]}`)
	v := version{number: 3, updated: time.UnixMilli(1_767_225_600_000).UTC(), body: body}
	doc := encode("an-id", v)
	if len(doc) > len(body)*2/3 {
		t.Errorf("a document of %d bytes for a resource of %d", len(doc), len(body))
	}
	got, err := decode("an-id", doc)
	if err != nil {
		t.Fatal(err)
	}
	if string(got.body) != string(body) || got.number != 3 || !got.updated.Equal(v.updated) || got.deleted {
		t.Errorf("it comes back as %+v", got)
	}
	if diff := cmp.Diff(encode("an-id/0000000003", v), encode("an-id/0000000003", got)); diff != "" {
		t.Error("a version that was read is not written as it was:", diff)
	}
}

func TestHistoryIDsOrderAsVersionsDo(t *testing.T) {
	t.Parallel()
	last := ""
	for _, n := range []int64{1, 2, 9, 10, 11, 99, 100, 9_999_999_999} {
		id := historyID("a", n)
		if strings.Compare(id, last) <= 0 {
			t.Errorf("%s does not follow %s", id, last)
		}
		last = id
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(encode("a", version{number: 1, updated: time.UnixMilli(1), body: []byte(strings.Repeat("{} ", 200))})))
	f.Add([]byte(encode("a", version{number: 2, updated: time.UnixMilli(1), deleted: true})))
	f.Fuzz(func(t *testing.T, doc []byte) {
		v, err := decode("a", doc)
		if err != nil {
			return
		}
		again, err := decode("a", encode("a", v))
		if err != nil || string(again.body) != string(v.body) || again.number != v.number || again.deleted != v.deleted || !again.updated.Equal(v.updated) {
			t.Fatalf("%+v became %+v: %v", v, again, err)
		}
	})
}
