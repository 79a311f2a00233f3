package rest

import (
	"strconv"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
)

// search answers GET [type]?… and POST [type]/_search (R4 3.1.1).
func (s *Server) search(w *response, r *request) error {
	req, err := s.Search.Parse(r.kind.name, r.params, r.prefer.lenient, caller)
	if err != nil {
		return err
	}
	page, err := s.Repository.Search(r.ctx, req.Query)
	if err != nil {
		return err
	}
	b := newBundle(w, "searchset", page.Total)
	b.link("self", string(r.kind.name), req.Used, r.shown)
	if page.Next != "" {
		b.link("next", string(r.kind.name), req.NextPairs(page.Next), r.shown)
	}
	for _, res := range page.Resources {
		if err := b.match(res); err != nil {
			return err
		}
	}
	if len(req.Ignored) > 0 {
		if err := b.outcome(req.Ignored); err != nil {
			return err
		}
	}
	return b.close()
}

// caller is whom cursors are bound to: without authorization everybody is the
// same one.
const caller = ""

// history answers GET [type]/[id]/_history (R4 3.1.0.11).
func (s *Server) history(w *response, r *request) error {
	q, used, err := s.historyQuery(r)
	if err != nil {
		return err
	}
	page, err := s.Repository.History(r.ctx, q)
	if err != nil {
		return err
	}
	path := q.Key.String() + "/_history"
	b := newBundle(w, "history", page.Total)
	b.link("self", path, used, r.shown)
	if page.Next != "" {
		b.link("next", path, without(used, "_cursor"), []search.Pair{{Name: "_cursor", Value: page.Next}}, r.shown)
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
