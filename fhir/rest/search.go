package rest

import (
	"strconv"
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
	if req.Query != nil {
		page, err = s.Repository.Search(r.ctx, req.Query)
	} else {
		page, err = operation.Several(r.ctx, s.Repository, req.Queries, req.Count, req.Position)
	}
	if err != nil {
		return err
	}
	b := newBundle(w, "searchset", page.Total, shape)
	b.link("self", path, req.Used, r.shown)
	if page.Next != "" {
		b.link("next", path, req.NextPairs(page.Next), r.shown)
	}
	if err := b.found(page); err != nil {
		return err
	}
	if len(req.Ignored) > 0 {
		if err := b.outcome(req.Ignored); err != nil {
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
		req, err = s.Search.ParseSeveral(fhir.Key{}, r.params, lenient, caller)
		return req, "", err
	case searchCompartment:
		if r.several {
			req, err = s.Search.ParseSeveral(r.within, r.params, lenient, caller)
			return req, r.within.String() + "/*", err
		}
		req, err = s.Search.ParseWithin(r.within, r.kind.name, r.params, lenient, caller)
		return req, r.within.String() + "/" + string(r.kind.name), err
	default:
		req, err = s.Search.Parse(r.kind.name, r.params, lenient, caller)
		return req, string(r.kind.name), err
	}
}

// caller is whom cursors are bound to: without authorization everybody is the
// same one.
const caller = ""

// history answers GET [type]/[id]/_history (R4 3.1.0.11).
func (s *Server) history(w *response, r *request) error {
	shape, shown, err := r.shape(r.event.Type)
	if err != nil {
		return err
	}
	q, used, err := s.historyQuery(r)
	if err != nil {
		return err
	}
	page, err := s.Repository.History(r.ctx, q)
	if err != nil {
		return err
	}
	path := q.Key.String() + "/_history"
	b := newBundle(w, "history", page.Total, shape)
	b.link("self", path, used, shown, r.shown)
	if page.Next != "" {
		b.link("next", path, without(used, "_cursor"), []search.Pair{{Name: "_cursor", Value: page.Next}}, shown, r.shown)
	}
	for _, res := range page.Resources {
		if err := b.version(res); err != nil {
			return err
		}
	}
	return b.close()
}

// historyQuery reads the parameters of a history (R4 3.1.0.11.1).
func (s *Server) historyQuery(r *request) (q fhir.HistoryQuery, used []search.Pair, err error) {
	q = fhir.HistoryQuery{Key: r.key(), Count: s.Search.DefaultCount}
	seen := make(map[string]bool, len(r.params))
	for _, p := range r.params {
		if seen[p.Name] {
			return q, nil, fhir.Errorf(fhir.CodeInvalid, "http."+p.Name, "%s is given twice.", p.Name)
		}
		seen[p.Name] = true
		switch p.Name {
		case "_count":
			n, err := strconv.Atoi(p.Value)
			if err != nil || n < 1 {
				return q, nil, fhir.Errorf(fhir.CodeInvalid, "http._count", "_count must be a whole number, 1 or more.")
			}
			q.Count = min(n, s.Search.MaxCount)
			p.Value = strconv.Itoa(q.Count)
		case "_since":
			d, err := fhir.ParseDate(p.Value)
			if err != nil || !d.HasZone || d.Precision < fhir.PrecisionSecond {
				return q, nil, fhir.Errorf(fhir.CodeInvalid, "http._since", "_since must be an instant, as 2024-05-01T08:30:00Z.")
			}
			q.Since, _ = d.Range(time.UTC)
			if q.Since.After(s.Now()) {
				return q, nil, fhir.Errorf(fhir.CodeInvalid, "http._since", "_since is in the future.")
			}
		case "_cursor":
			if q.Cursor = p.Value; q.Cursor == "" {
				return q, nil, fhir.Errorf(fhir.CodeInvalid, "http._cursor", "The cursor is empty. Use the next link as the server gave it.")
			}
		default:
			return q, nil, fhir.Errorf(fhir.CodeNotSupported, "http.query", "A history takes _count and _since, not %q.", p.Name)
		}
		used = append(used, p)
	}
	return q, used, nil
}

func without(pairs []search.Pair, name string) []search.Pair {
	kept := make([]search.Pair, 0, len(pairs))
	for _, p := range pairs {
		if p.Name != name {
			kept = append(kept, p)
		}
	}
	return kept
}
