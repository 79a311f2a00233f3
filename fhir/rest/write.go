package rest

import (
	"bytes"
	"net/http"
	"strconv"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/write"
)

// create answers POST [type], also with If-None-Exist (R4 3.1.0.8).
func (s *Server) create(w *response, r *request) error {
	if err := refuseHeaders(r.Header, "If-Match", "If-None-Match", "If-Unmodified-Since"); err != nil {
		return err
	}
	if err := r.noParams(); err != nil {
		return err
	}
	req := write.Request{Method: write.Create, Key: r.key()}
	var err error
	if req.Criteria, err = s.ifNoneExist(r); err != nil {
		return err
	}
	if req.Body, _, err = s.resource(w, r); err != nil {
		return err
	}
	return s.write(w, r, req)
}

// ifNoneExist reads the criteria of If-None-Exist (R4 3.1.0.8.1); nil without the
// header.
func (s *Server) ifNoneExist(r *request) (*write.Criteria, error) {
	values, ok := r.Header["If-None-Exist"]
	switch {
	case !ok:
		return nil, nil
	case len(values) != 1:
		return nil, fhir.Errorf(fhir.CodeInvalid, "http.If-None-Exist", "If-None-Exist is given twice.")
	case !r.kind.can.Search:
		return nil, fhir.Errorf(fhir.CodeNotSupported, "http.If-None-Exist", "%s cannot be searched, so that nothing can depend on what exists.", r.kind.name)
	}
	pairs, err := write.ParsePairs(values[0])
	if err != nil {
		return nil, err
	}
	return write.ParseCriteria(s.Search, r.kind.name, pairs)
}

// update answers PUT [type]/[id] (R4 3.1.0.4), which creates where the
// repository lets the client choose ids, and PUT [type]?[criteria] (R4 3.1.0.4.3).
func (s *Server) update(w *response, r *request) error {
	if err := refuseHeaders(r.Header, "If-None-Exist", "If-Unmodified-Since"); err != nil {
		return err
	}
	req := write.Request{Method: write.Update, Key: r.key()}
	var err error
	if req.Criteria, err = s.criteria(r); err != nil {
		return err
	}
	if req.IfMatch, err = ifMatch(r.Header); err != nil {
		return err
	}
	if values := r.Header["If-None-Match"]; values != nil {
		if len(values) != 1 || values[0] != "*" {
			return fhir.Errorf(fhir.CodeInvalid, "http.If-None-Match", "If-None-Match on a PUT must be *.")
		}
		if req.IfMatch != "" {
			return fhir.Errorf(fhir.CodeInvalid, "http.If-None-Match", "If-Match and If-None-Match exclude each other.")
		}
		req.IfNone = true
	}
	body, id, err := s.resource(w, r)
	switch {
	case err != nil:
		return err
	case req.Criteria != nil:
		req.Key.ID = id
	case id == "":
		return fhir.Errorf(fhir.CodeInvalid, string(r.kind.name)+".id", "The resource has no id. It must be the one in the URL.")
	case id != req.Key.ID:
		return fhir.Errorf(fhir.CodeInvalid, string(r.kind.name)+".id", "The id of the resource is not the one in the URL.")
	}
	req.Body = body
	return s.write(w, r, req)
}

// criteria reads those in the URL of a conditional interaction; nil when the URL
// names an instance.
func (s *Server) criteria(r *request) (*write.Criteria, error) {
	if r.event.ID != "" {
		return nil, r.noParams()
	}
	return write.ParseCriteria(s.Search, r.kind.name, r.params)
}

// remove answers DELETE [type]/[id] and DELETE [type]?[criteria] (R4 3.1.0.7).
func (s *Server) remove(w *response, r *request) error {
	if err := refuseHeaders(r.Header, "If-None-Exist", "If-None-Match", "If-Unmodified-Since"); err != nil {
		return err
	}
	req := write.Request{Method: write.Delete, Key: r.key()}
	var err error
	if req.Criteria, err = s.criteria(r); err != nil {
		return err
	}
	if req.IfMatch, err = ifMatch(r.Header); err != nil {
		return err
	}
	return s.write(w, r, req)
}

// resource reads the body, resolves conditional references, and has it validated.
func (s *Server) resource(w *response, r *request) (body []byte, id string, err error) {
	if err := checkContent(r.Header.Get("Content-Type")); err != nil {
		return nil, "", err
	}
	body, err = readBody(w.ResponseWriter, r, s.Limits.Body)
	if err != nil {
		return nil, "", err
	}
	if s.Bundles != nil && bytes.Contains(body, []byte("?")) {
		if body, err = s.processor(r).Resolve(r.ctx, body); err != nil {
			return nil, "", err
		}
	}
	info, err := s.Validator.Validate(body, r.kind.name)
	if err != nil {
		return nil, "", err
	}
	return body, info.ID, nil
}

// write carries out one interaction and answers with what became of it.
func (s *Server) write(w *response, r *request, req write.Request) error {
	results, err := s.writer(r).Do(r.ctx, req)
	if err != nil {
		return err
	}
	return s.wrote(w, r, results)
}

// wrote answers a write by what became of it.
func (s *Server) wrote(w *response, r *request, results []fhir.Result) error {
	if len(results) > 1 {
		return s.sendDone(w, r, http.StatusNoContent, strconv.Itoa(len(results))+" resources were deleted.")
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
		if r.event.Interaction == create {
			done = "there already"
			w.Header().Set("Location", r.base+"/"+res.Key.String()+"/_history/"+res.Version)
		}
	case fhir.Deleted:
		status, done = http.StatusNoContent, "deleted"
	case fhir.Absent:
		status, done = http.StatusNoContent, "not there"
	case fhir.Updated:
	case fhir.Proposed:
		w.Header().Del("ETag")
		w.Header().Del("Last-Modified")
		return w.send(http.StatusAccepted, appendOutcome(nil, []fhir.Issue{{
			Severity: fhir.SeverityInformation, Code: fhir.CodeInformational,
			Detail: "Nothing has been changed yet: the clinic looks at this first. It is kept as " + res.Key.String() + ".",
		}}))
	}
	if r.prefer.content == representation && status != http.StatusNoContent && res.Body != nil {
		return w.send(status, res.Body)
	}
	return s.sendDone(w, r, status, res.Key.String()+" was "+done+".")
}

// sendDone answers a write without its content: with what was done, when that is wanted.
func (s *Server) sendDone(w *response, r *request, status int, done string) error {
	if r.prefer.content != outcome {
		w.empty(status)
		return nil
	}
	if status == http.StatusNoContent {
		status = http.StatusOK
	}
	return w.send(status, appendOutcome(nil, []fhir.Issue{{Severity: fhir.SeverityInformation, Code: fhir.CodeInformational, Detail: done}}))
}
