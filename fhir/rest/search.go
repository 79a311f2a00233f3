package rest

import (
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/operation"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/fhir/subset"
)

// search answers GET and POST _search on a type, on several, and in a
// compartment (R4 3.1.1).
func (s *Server) search(w *response, r *request) error {
	req, path, err := s.parse(r)
	if err != nil {
		return err
	}
	shape, err := subset.New(subset.Mode(req.Shape.Summary), req.Shape.Elements, req.Types()...)
	if err != nil {
		return err
	}
	var page fhir.Page
	err = s.room.page(r.ctx, func() (err error) {
		if req.Query != nil {
			page, err = s.Repository.Search(r.ctx, req.Query)
		} else {
			page, err = operation.Several(r.ctx, s.Repository, req.Queries, req.Count, req.Position)
		}
		return err
	})
	if err != nil {
		return err
	}
	b := newBundle(w, "searchset", page.Total, shape, time.Time{})
	b.link("self", path, req.Used, r.shown)
	if page.Next != "" {
		before := len(b.buf)
		b.link("next", path, req.NextPairs(page.Next), r.shown)
		// The rest of a header is left to other lines.
		if most := s.Limits.Header * 3 / 4; len(b.buf)-before > most {
			return fhir.Errorf(fhir.CodeTooCostly, "http.query", "What is found does not fit on one page, and the link to the next would be longer than %d bytes. Ask for fewer values at a time, or for larger pages by _count.", most)
		}
	}
	if err := b.found(page); err != nil {
		return err
	}
	if issues := append(req.Ignored, r.planOf(req, page)...); len(issues) > 0 {
		if err := b.outcome(issues); err != nil {
			return err
		}
	}
	return b.close()
}

// parse reads the parameters of a search, and gives the path for its links.
func (s *Server) parse(r *request) (req *search.Request, path string, err error) {
	lenient := r.prefer.lenient
	switch r.event.Interaction {
	case searchSystem:
		req, err = s.Search.ParseSeveral(fhir.Key{}, r.params, lenient, r.caller)
		return req, "", err
	case searchCompartment:
		if r.several {
			req, err = s.Search.ParseSeveral(r.within, r.params, lenient, r.caller)
			return req, r.within.String() + "/*", err
		}
		req, err = s.Search.ParseWithin(r.within, r.kind.name, r.params, lenient, r.caller)
		return req, r.within.String() + "/" + string(r.kind.name), err
	default:
		req, err = s.Search.Parse(r.kind.name, r.params, lenient, r.caller)
		return req, string(r.kind.name), err
	}
}
