package write_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/fhir/write"
)

func describe(t fhir.Type) fhir.Capability {
	return fhir.Capability{Search: true, Params: search.Params(t)}
}

func TestCriteria(t *testing.T) {
	t.Parallel()
	parser := &search.Parser{Describe: describe, DefaultCount: 10, MaxCount: 10}
	for _, test := range []struct {
		claim, raw string
		spelled    string
		code       fhir.IssueCode
	}{
		{"G2.6 order and doubles do not matter", "?status=final&identifier=urn:s%7C1&status=final", "Observation?identifier=urn%3As%7C1&status=final", ""},
		{"G2.6 none are refused", "?", "", fhir.CodeInvalid},
		{"G2.6 an empty value is refused", "identifier=", "", fhir.CodeInvalid},
		{"G2.6 an unknown name is refused", "nonsense=1", "", fhir.CodeNotSupported},
		{"G2.6 a bad value is refused", "date=yesterday", "", fhir.CodeInvalid},
		{"G2.6 what shapes a result is refused", "_sort=date", "", fhir.CodeInvalid},
		{"G2.6 includes are refused", "_include=*", "", fhir.CodeInvalid},
		{"G2.6 includes with modifiers too", "_revinclude:iterate=*", "", fhir.CodeInvalid},
		{"G2.6 bad escapes are refused", "identifier=%zz", "", fhir.CodeInvalid},
		{"G2.6 _lastUpdated and _id are criteria", "_id=1&_lastUpdated=gt2020", "Observation?_id=1&_lastUpdated=gt2020", ""},
	} {
		t.Run(test.claim, func(t *testing.T) {
			t.Parallel()
			var spelled string
			pairs, err := write.ParsePairs(test.raw)
			if err == nil {
				var c *write.Criteria
				if c, err = write.ParseCriteria(parser, "Observation", pairs); err == nil {
					spelled = c.String()
				}
			}
			var told *fhir.Error
			var code fhir.IssueCode
			if errors.As(err, &told) {
				code = told.Code()
			}
			if diff := cmp.Diff([]any{test.spelled, test.code}, []any{spelled, code}); diff != "" {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}
