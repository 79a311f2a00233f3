package rest

import (
	"mime"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/patch"
	"github.com/portico-fhir/portico/fhir/write"
)

// mediaPatch is the media type of a JSON Patch (RFC 6902 6). A FHIRPath Patch is a
// resource like any other.
const mediaPatch = "application/json-patch+json"

// patch answers PATCH [type]/[id] and PATCH [type]?[criteria] (R4 3.1.0.6).
func (s *Server) patch(w *response, r *request) error {
	if err := refuseHeaders(r.Header, "If-None-Exist", "If-None-Match", "If-Unmodified-Since"); err != nil {
		return err
	}
	req := write.Request{Method: write.Patch, Key: r.key()}
	var err error
	if req.Criteria, err = s.criteria(r); err != nil {
		return err
	}
	if req.IfMatch, err = ifMatch(r.Header); err != nil {
		return err
	}
	if req.Patch, err = s.readPatch(w, r); err != nil {
		return err
	}
	return s.write(w, r, req)
}

// readPatch reads the body by its media type.
func (s *Server) readPatch(w *response, r *request) (patch.Patch, error) {
	parse := patch.ParseFHIRPath
	content := r.Header.Get("Content-Type")
	media, params, err := mime.ParseMediaType(content)
	switch {
	case err == nil && media == mediaPatch:
		if !utf8Charset(params) {
			return nil, unsupportedMedia("http.Content-Type", "The charset must be utf-8.")
		}
		parse = patch.ParseJSON
	case checkContent(content) != nil:
		w.Header().Set("Accept-Patch", mediaPatch+", "+mediaFHIR)
		return nil, unsupportedMedia("http.Content-Type", "A patch is %s, or a Parameters resource as %s.", mediaPatch, mediaFHIR)
	}
	body, err := readBody(w.ResponseWriter, r, s.Limits.Body)
	switch {
	case err != nil:
		return nil, err
	case len(body) == 0:
		return nil, fhir.Errorf(fhir.CodeInvalid, "", "The body is empty; it must be a patch.")
	}
	return parse(body)
}

// writer carries out the one write of a request.
func (s *Server) writer(r *request) *write.Writer {
	w := &write.Writer{Repository: s.Repository, Validator: s.Validator, DeleteMany: s.DeleteMany, Provenance: r.provenance}
	if r.claim != nil {
		w.Receipt = r.claim
	}
	return w
}
