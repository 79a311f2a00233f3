package rest

import (
	"net/http"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/subset"
)

// read answers GET and HEAD [type]/[id] (R4 3.1.0.2).
func (s *Server) read(w *response, r *request) error {
	shape, err := r.onlyShape(r.event.Type)
	if err != nil {
		return err
	}
	var res fhir.Resource
	err = s.room.page(r.ctx, func() (err error) {
		res, err = s.Repository.Read(r.ctx, r.key())
		return err
	})
	return s.sendVersion(w, r, res, shape, err)
}

// vread answers GET [type]/[id]/_history/[vid] (R4 3.1.0.3).
func (s *Server) vread(w *response, r *request) error {
	shape, err := r.onlyShape(r.event.Type)
	if err != nil {
		return err
	}
	var res fhir.Resource
	err = s.room.page(r.ctx, func() (err error) {
		res, err = s.Repository.Version(r.ctx, r.key(), r.version)
		return err
	})
	return s.sendVersion(w, r, res, shape, err)
}

// onlyShape reads the parameters of a request that takes none but those on how
// much of the resource of type t is wanted.
func (r *request) onlyShape(t fhir.Type) (*subset.Shape, error) {
	shape, _, err := r.shape(t)
	if err != nil {
		return nil, err
	}
	return shape, r.noParams()
}

// sendVersion answers with what shape leaves of one version, or with 304 when the client has it. With
// the 410 for a deleted resource goes the ETag of its delete marker.
func (s *Server) sendVersion(w *response, r *request, res fhir.Resource, shape *subset.Shape, err error) error {
	if err != nil {
		if res.Deleted {
			w.Header().Set("Etag", etag(res.Version))
		}
		return err
	}
	notModified, err := checkRead(r.Header, res)
	if err != nil {
		return err
	}
	w.version(res)
	if notModified {
		w.empty(http.StatusNotModified)
		return nil
	}
	return w.sendShaped(res, shape)
}

// sendShaped answers with what shape leaves of a resource.
func (w *response) sendShaped(res fhir.Resource, shape *subset.Shape) error {
	if shape.Whole() {
		return w.send(http.StatusOK, res.Body)
	}
	body, err := shape.Append(nil, res.Type, res.Body)
	if err != nil {
		return err
	}
	return w.send(http.StatusOK, body)
}

// metadata answers GET /metadata (R4 3.1.0.9).
func (s *Server) metadata(w *response, r *request) error {
	mode := "full"
	rest := r.params[:0]
	for _, p := range r.params {
		if p.Name == "mode" {
			mode = p.Value
		} else {
			rest = append(rest, p)
		}
	}
	r.params = rest
	shape, err := r.onlyShape("CapabilityStatement")
	if err != nil {
		return err
	}
	statement, ok := s.Metadata(mode)
	switch {
	case mode == "terminology":
		return fhir.Errorf(fhir.CodeNotSupported, "http.mode", "This server has no terminology service.")
	case !ok:
		return fhir.Errorf(fhir.CodeInvalid, "http.mode", "mode must be full or normative.")
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Etag", statement.ETag)
	h.Set("Cache-Control", "no-cache") // no PHI: may be kept, if asked about each time
	if tag, ok := parseTag(statement.ETag); ok && matches(r.Header["If-None-Match"], tag) {
		w.empty(http.StatusNotModified)
		return nil
	}
	return w.sendShaped(fhir.Resource{Key: fhir.Key{Type: "CapabilityStatement"}, Body: statement.Body}, shape)
}
