package fhir_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/portico-fhir/portico/fhir"
)

func TestIs(t *testing.T) {
	t.Parallel()
	gone := fhir.Errorf(fhir.CodeDeleted, "", "It was deleted.")
	for claim, tt := range map[string]struct {
		err  error
		want bool
	}{
		"one of the codes":           {gone, true},
		"behind other errors":        {fmt.Errorf("read: %w", errors.Join(errors.New("other"), gone)), true},
		"another code":               {fhir.Errorf(fhir.CodeForbidden, "", "No."), false},
		"a cause is not what it is":  {fhir.Errorf(fhir.CodeForbidden, "", "No.").Because(gone), false},
		"an error that is no *Error": {errors.New("deleted"), false},
		"no error":                   {nil, false},
	} {
		if got := fhir.Is(tt.err, fhir.CodeNotFound, fhir.CodeDeleted); got != tt.want {
			t.Errorf("%s: got %t", claim, got)
		}
	}
}
