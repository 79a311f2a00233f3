package record

import (
	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
)

// fault gives an error of the store as the client is to see it. What says
// what was being done, without any content.
func fault(what string, err error) error { return commit.Fault("record: "+what, err) }

func notFound(key fhir.Key) error {
	return fhir.Errorf(fhir.CodeNotFound, "", "There is no %s.", key)
}

func noVersion(key fhir.Key, version string) error {
	return fhir.Errorf(fhir.CodeNotFound, "", "%s has no version %q.", key, version)
}

func deleted(res fhir.Resource) error {
	return fhir.Errorf(fhir.CodeDeleted, "", "%s was deleted at %s.", res.Key, fhir.FormatInstant(res.Updated))
}
