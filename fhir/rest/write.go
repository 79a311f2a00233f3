package rest

import (
	"net/http"

	"github.com/portico-fhir/portico/fhir"
)

// create answers POST [type] (R4 3.1.0.8).
func (s *Server) create(w *response, r *request) error {
	if _, ok := r.Header["If-None-Exist"]; ok {
		return fhir.Errorf(fhir.CodeNotSupported, "http.If-None-Exist", "Conditional create is not supported. Search first, then send it without If-None-Exist.")
	}
	if err := refuseHeaders(r.Header, "If-Match", "If-None-Match", "If-Unmodified-Since"); err != nil {
		return err
	}
	body, _, err := s.resource(w, r)
	if err != nil {
		return err
	}
	return s.commit(w, r, fhir.Change{Method: fhir.Create, Key: r.key(), Body: body})
}

// update answers PUT [type]/[id] (R4 3.1.0.4), which creates where the
// repository lets the client choose ids.
func (s *Server) update(w *response, r *request) error {
	if err := refuseHeaders(r.Header, "If-None-Exist", "If-Unmodified-Since"); err != nil {
		return err
	}
	change := fhir.Change{Method: fhir.Put, Key: r.key()}
	var err error
	if change.IfMatch, err = ifMatch(r.Header); err != nil {
		return err
	}
	if values := r.Header["If-None-Match"]; values != nil {
		if len(values) != 1 || values[0] != "*" {
			return fhir.Errorf(fhir.CodeInvalid, "http.If-None-Match", "If-None-Match on a PUT must be *.")
		}
		if change.IfMatch != "" {
			return fhir.Errorf(fhir.CodeInvalid, "http.If-None-Match", "If-Match and If-None-Match exclude each other.")
		}
		change.IfNoneMatch = true
	}
	body, id, err := s.resource(w, r)
	switch {
	case err != nil:
		return err
	case id == "":
		return fhir.Errorf(fhir.CodeInvalid, string(r.kind.name)+".id", "The resource has no id. It must be the one in the URL.")
	case id != change.Key.ID:
		return fhir.Errorf(fhir.CodeInvalid, string(r.kind.name)+".id", "The id of the resource is not the one in the URL.")
	}
	change.Body = body
	return s.commit(w, r, change)
}

// remove answers DELETE [type]/[id] (R4 3.1.0.7).
func (s *Server) remove(w *response, r *request) error {
	if err := refuseHeaders(r.Header, "If-None-Exist", "If-None-Match", "If-Unmodified-Since"); err != nil {
		return err
	}
	if err := r.noParams(); err != nil {
		return err
	}
	version, err := ifMatch(r.Header)
	if err != nil {
		return err
	}
	return s.commit(w, r, fhir.Change{Method: fhir.Delete, Key: r.key(), IfMatch: version})
}

// resource reads the body and has it validated.
func (s *Server) resource(w *response, r *request) (body []byte, id string, err error) {
	if err := r.noParams(); err != nil {
		return nil, "", err
	}
	if err := checkContent(r.Header.Get("Content-Type")); err != nil {
		return nil, "", err
	}
	body, err = readBody(w.ResponseWriter, r, s.Limits.Body)
	if err != nil {
		return nil, "", err
	}
	info, err := s.Validator.Validate(body, r.kind.name)
	if err != nil {
		return nil, "", err
	}
	return body, info.ID, nil
}

// commit carries out one change and answers with what became of it.
func (s *Server) commit(w *response, r *request, change fhir.Change) error {
	results, err := s.Repository.Commit(r.ctx, []fhir.Change{change})
	if err != nil {
		return err
	}
	result := results[0]
	res := result.Resource
	r.event.ID = res.ID
	if res.Version != "" {
		w.version(res)
	}
	status, done := http.StatusOK, "updated"
	switch result.Status {
	case fhir.Created:
		status, done = http.StatusCreated, "created"
		w.Header().Set("Location", r.base+"/"+res.Key.String()+"/_history/"+res.Version)
	case fhir.Unchanged:
		done = "left as it was: the content is the same"
	case fhir.Deleted:
		status, done = http.StatusNoContent, "deleted"
	case fhir.Absent:
		status, done = http.StatusNoContent, "not there"
	case fhir.Updated:
	}
	switch {
	case r.prefer.content == outcome:
		if status == http.StatusNoContent {
			status = http.StatusOK
		}
		return w.send(status, appendOutcome(nil, []fhir.Issue{{
			Severity: fhir.SeverityInformation, Code: fhir.CodeInformational, Detail: res.Key.String() + " was " + done + ".",
		}}))
	case status == http.StatusNoContent, r.prefer.content == minimal:
		w.empty(status)
		return nil
	default:
		return w.send(status, res.Body)
	}
}
