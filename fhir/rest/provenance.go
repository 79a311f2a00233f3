package rest

import (
	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/write"
)

const headerProvenance = "X-Provenance"

// readProvenance reads the header of a write that says where it comes from (R4 6.3.4.6). Anything else
// cannot have it.
func (s *Server) readProvenance(r *request) (err error) {
	values, ok := r.Header[headerProvenance]
	if !ok {
		return nil
	}
	switch r.event.Interaction {
	case create, update, patchResource, remove, transaction:
	default:
		return refuseHeaders(r.Header, headerProvenance)
	}
	k := s.types["Provenance"]
	switch {
	case k == nil || !k.can.Create || !k.can.UpdateCreate || s.Bundles == nil:
		return fhir.Errorf(fhir.CodeNotSupported, "http."+headerProvenance, "No Provenance can be written here.")
	case len(values) != 1:
		return fhir.Errorf(fhir.CodeInvalid, "http."+headerProvenance, "X-Provenance is given twice.")
	}
	r.provenance, err = write.ParseProvenance(values[0], s.Validator, s.Bundles.NewID)
	return err
}
