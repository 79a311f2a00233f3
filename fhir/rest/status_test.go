package rest

import (
	"testing"

	"github.com/portico-fhir/portico/fhir"
)

func TestStatusOf(t *testing.T) {
	t.Parallel()
	for code, want := range map[fhir.IssueCode]int{
		fhir.CodeStructure: 400, fhir.CodeInvalid: 400, fhir.CodeNotSupported: 400, fhir.CodeTooCostly: 400,
		fhir.CodeLogin: 401, fhir.CodeForbidden: 403, fhir.CodeNotFound: 404, fhir.CodeDuplicate: 409, fhir.CodeDeleted: 410,
		fhir.CodeConflict: 412, fhir.CodeMultiple: 412, fhir.CodeTooLong: 413,
		fhir.CodeRequired: 422, fhir.CodeValue: 422, fhir.CodeCodeInvalid: 422, fhir.CodeInvariant: 422, fhir.CodeExtension: 422, fhir.CodeBusinessRule: 422,
		fhir.CodeThrottled: 429, fhir.CodeException: 500, fhir.CodeTransient: 503, fhir.CodeTimeout: 504,
		"no-such-code": 500,
	} {
		if got := statusOf(code); got != want {
			t.Errorf("%s: %d, want %d", code, got, want)
		}
	}
}
