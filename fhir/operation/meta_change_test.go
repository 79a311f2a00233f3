package operation_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/operation"
)

// change invokes $meta-add or $meta-delete with a Meta.
func change(t testing.TB, o *operation.Operations, key fhir.Key, code, body string) (operation.Result, error) {
	t.Helper()
	d, err := o.Find(key.Type, o.Search.Describe(key.Type), code, true)
	if err != nil || !d.Writes || !d.TakesBody {
		t.Fatal(err, d)
	}
	return o.Run(t.Context(), d, operation.Call{Key: key, Body: []byte(body)})
}

func metaParameters(meta string) string {
	return `{"resourceType":"Parameters","parameter":[{"name":"meta","valueMeta":` + meta + `}]}`
}

func TestG8_4_ChangingMeta(t *testing.T) {
	t.Parallel()
	const vip, secret = `{"code":"vip"}`, `{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R","display":"restricted"}`
	for _, tt := range []struct {
		claim, code, meta string
		want              string // of the meta of Patient/1, which has the tag vip and a profile
		version           string
	}{
		{"a tag is added", "meta-add", `{"tag":[{"system":"urn:s","code":"new"}]}`, `"profile":["http://example.org/p"],"tag":[` + vip + `,{"system":"urn:s","code":"new"}]`, "2"},
		{"a label is added", "meta-add", `{"security":[` + secret + `]}`, `"profile":["http://example.org/p"],"security":[` + secret + `],"tag":[` + vip + `]`, "2"},
		{"a profile is added", "meta-add", `{"profile":["http://example.org/q"]}`, `"profile":["http://example.org/p","http://example.org/q"],"tag":[` + vip + `]`, "2"},
		{"what is there stays as it is", "meta-add", `{"tag":[{"code":"vip","display":"Very important"}],"profile":["http://example.org/p"]}`, `"profile":["http://example.org/p"],"tag":[` + vip + `]`, "1"},
		{"a code of another system is another", "meta-add", `{"tag":[{"system":"urn:s","code":"vip"}]}`, `"profile":["http://example.org/p"],"tag":[` + vip + `,{"system":"urn:s","code":"vip"}]`, "2"},
		{"twice the same is added once", "meta-add", `{"tag":[{"code":"a"},{"code":"a"}]}`, `"profile":["http://example.org/p"],"tag":[` + vip + `,{"code":"a"}]`, "2"},
		{"what the server sets is not taken", "meta-add", `{"versionId":"77","lastUpdated":"1999-01-01T00:00:00Z"}`, `"profile":["http://example.org/p"],"tag":[` + vip + `]`, "1"},
		{"a tag is deleted", "meta-delete", `{"tag":[{"code":"vip"}]}`, `"profile":["http://example.org/p"]`, "2"},
		{"a profile is deleted", "meta-delete", `{"profile":["http://example.org/p"]}`, `"tag":[` + vip + `]`, "2"},
		{"what is not there is ignored", "meta-delete", `{"tag":[{"code":"x"}],"security":[` + secret + `]}`, `"profile":["http://example.org/p"],"tag":[` + vip + `]`, "1"},
	} {
		t.Run("G8.4 "+tt.claim, func(t *testing.T) {
			t.Parallel()
			o := fill(t, chart)
			key := fhir.Key{Type: "Patient", ID: "1"}
			for range 2 { // the second time there is nothing left to do
				got, err := change(t, o, key, tt.code, metaParameters(tt.meta))
				if err != nil {
					t.Fatal(err)
				}
				head := `{"resourceType":"Parameters","parameter":[{"name":"return","valueMeta":{"versionId":"` + tt.version + `",`
				text := string(got.Parameters)
				_, rest, _ := strings.Cut(text, `Z",`)
				if !strings.HasPrefix(text, head) || rest != tt.want+`}}]}` {
					t.Errorf("got %s\nwant %s … %s", text, head, tt.want)
				}
			}
			res, err := o.Repository.Read(t.Context(), key)
			if err != nil || !strings.Contains(string(res.Body), `"managingOrganization":{"reference":"Organization/clinic"}`) {
				t.Errorf("%s, %v", res.Body, err)
			}
		})
	}
}

func TestG8_4_WhatCannotChangeMetaIsRefused(t *testing.T) {
	t.Parallel()
	o := fill(t, chart)
	for _, tt := range []struct {
		claim, id, body string
		code            fhir.IssueCode
	}{
		{"no body", "1", "", fhir.CodeStructure},
		{"no meta", "1", `{"resourceType":"Parameters"}`, fhir.CodeInvalid},
		{"another parameter", "1", `{"resourceType":"Parameters","parameter":[{"name":"x","valueMeta":{"tag":[{"code":"a"}]}}]}`, fhir.CodeInvalid},
		{"two", "1", `{"resourceType":"Parameters","parameter":[{"name":"meta","valueMeta":{"tag":[{"code":"a"}]}},{"name":"meta","valueMeta":{"tag":[{"code":"b"}]}}]}`, fhir.CodeInvalid},
		{"another value", "1", `{"resourceType":"Parameters","parameter":[{"name":"meta","valueString":"x"}]}`, fhir.CodeInvalid},
		{"a resource that is not there", "nobody", metaParameters(`{"tag":[{"code":"a"}]}`), fhir.CodeNotFound},
	} {
		t.Run("G8.4 "+tt.claim, func(t *testing.T) {
			t.Parallel()
			_, err := change(t, o, fhir.Key{Type: "Patient", ID: tt.id}, "meta-add", tt.body)
			var told *fhir.Error
			if !errors.As(err, &told) || told.Code() != tt.code {
				t.Errorf("%v, want %s", err, tt.code)
			}
		})
	}
}

func TestG8_4_NoTagIsLostWhenSeveralAreAddedAtOnce(t *testing.T) {
	t.Parallel()
	o := fill(t, chart)
	key := fhir.Key{Type: "Patient", ID: "1"}
	var wg sync.WaitGroup
	for _, code := range []string{"a", "b", "c", "d", "e", "f"} {
		wg.Go(func() {
			if _, err := change(t, o, key, "meta-add", metaParameters(`{"tag":[{"code":"`+code+`"}]}`)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	res, err := o.Repository.Read(t.Context(), key)
	if err != nil || strings.Count(string(res.Body), `{"code":`) != 7 {
		t.Errorf("%v: %s", err, res.Body)
	}
}
