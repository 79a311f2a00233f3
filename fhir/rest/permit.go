package rest

import "github.com/portico-fhir/portico/fhir"

// uses are what interactions with a type need.
var uses = map[interaction]fhir.Use{
	read: fhir.ToRead, vread: fhir.ToRead, historyInstance: fhir.ToRead,
	historyType: fhir.ToSearch, searchType: fhir.ToSearch, searchCompartment: fhir.ToSearch,
	create: fhir.ToCreate, update: fhir.ToUpdate, patchResource: fhir.ToUpdate, remove: fhir.ToDelete,
}

// permitted refuses what the caller may not do with any resource of the type, before
// anything is said about the rest of the request.
func (s *Server) permitted(r *request) error {
	use, ok := uses[r.event.Interaction]
	if !ok || r.kind == nil {
		return nil
	}
	return fhir.Permits(r.ctx, s.Repository, r.kind.name, use)
}
