package record

import (
	"errors"
	"fmt"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// fault gives an error of the store as the client is to see it. What says
// what was being done, without any content.
func fault(what string, err error) error {
	switch {
	case errors.Is(err, store.ErrUnavailable):
		return fhir.Errorf(fhir.CodeTransient, "", "The store cannot serve this now. Try again later.").Because(err)
	case errors.Is(err, store.ErrTooLarge):
		return fhir.Errorf(fhir.CodeTooLong, "", "The content is larger than the store takes in one resource or one request.").Because(err)
	default:
		return fmt.Errorf("record: %s: %w", what, err)
	}
}

func notFound(key fhir.Key) error {
	return fhir.Errorf(fhir.CodeNotFound, "", "There is no %s.", key)
}

func noVersion(key fhir.Key, version string) error {
	return fhir.Errorf(fhir.CodeNotFound, "", "%s has no version %q.", key, version)
}

func deleted(res fhir.Resource) error {
	return fhir.Errorf(fhir.CodeDeleted, "", "%s was deleted at %s.", res.Key, fhir.FormatInstant(res.Updated))
}
