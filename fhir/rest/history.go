package rest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
)

// history answers GET [type]/[id]/_history, [type]/_history and _history (R4
// 3.1.0.11).
func (s *Server) history(w *response, r *request) error {
	types := []fhir.Type{r.event.Type}
	if r.kind == nil {
		types = s.chronicled()
	}
	shape, shown, err := r.shape(types...)
	if err != nil {
		return err
	}
	path := historyPath(r.key())
	q, used, err := s.historyQuery(r, path)
	if err != nil {
		return err
	}
	var page fhir.Page
	err = s.room.page(r.ctx, func() (err error) {
		page, err = s.Repository.History(r.ctx, q)
		return err
	})
	if err != nil {
		return err
	}
	b := newBundle(w, "history", page.Total, shape, page.Until)
	b.link("self", path, used, shown, r.shown)
	if page.Next != "" {
		used = without(used, "_cursor")
		token := s.Search.Cursors.Seal(page.Next, historyBinding(r.caller, path, used))
		b.link("next", path, used, []search.Pair{{Name: "_cursor", Value: token}}, shown, r.shown)
	}
	for _, res := range page.Resources {
		if err := b.version(res); err != nil {
			return err
		}
	}
	return b.close()
}

// chronicled are the types that are part of the history of the server.
func (s *Server) chronicled() []fhir.Type {
	var types []fhir.Type
	for _, name := range s.names {
		if t := fhir.Type(name); s.types[t].can.HistoryType {
			types = append(types, t)
		}
	}
	return types
}

func historyPath(key fhir.Key) string {
	switch {
	case key.ID != "":
		return key.String() + "/_history"
	case key.Type != "":
		return string(key.Type) + "/_history"
	}
	return "_history"
}

// historyBinding is what a cursor of a history is valid for: page size aside, the
// same question of the same caller.
func historyBinding(caller, path string, used []search.Pair) string {
	var b strings.Builder
	b.WriteString(strconv.Quote(caller) + strconv.Quote(path))
	for _, p := range used {
		if p.Name != "_count" && p.Name != "_cursor" {
			b.WriteString(strconv.Quote(p.Name) + strconv.Quote(p.Value))
		}
	}
	return b.String()
}

// historyQuery reads the parameters of a history (R4 3.1.0.11.1).
func (s *Server) historyQuery(r *request, path string) (q fhir.HistoryQuery, used []search.Pair, err error) {
	q = fhir.HistoryQuery{Key: r.key(), Count: s.Search.DefaultCount}
	seen := make(map[string]bool, len(r.params))
	token := ""
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
			q.Since, err = s.since(p.Value)
		case "_at":
			q.At, err = s.at(p.Value)
		case "_sort":
			q.Oldest, err = oldestFirst(p.Value)
		case "_cursor":
			token = p.Value
		default:
			err = fhir.Errorf(fhir.CodeNotSupported, "http.query", "A history takes _count, _since, _at and _sort, not %q.", p.Name)
		}
		if err != nil {
			return q, nil, err
		}
		used = append(used, p)
	}
	if seen["_cursor"] {
		q.Cursor, err = s.Search.Cursors.Open(token, historyBinding(r.caller, path, used))
	}
	return q, used, err
}

// leeway is how far ahead of the clock a moment may be that this server itself named: where
// versions follow each other faster than the clock ticks.
const leeway = time.Second

// since reads an instant that has been.
func (s *Server) since(value string) (time.Time, error) {
	d, err := fhir.ParseDate(value)
	if err != nil || !d.HasZone || d.Precision < fhir.PrecisionSecond {
		return time.Time{}, fhir.Errorf(fhir.CodeInvalid, "http._since", "_since must be an instant, as 2024-05-01T08:30:00Z. The + of a time zone is written %%2B in a URL.")
	}
	since, _ := d.Range(time.UTC)
	if since.After(s.Now().Add(leeway)) {
		return time.Time{}, fhir.Errorf(fhir.CodeInvalid, "http._since", "_since is in the future.")
	}
	return since, nil
}

// at reads a date that has begun.
func (s *Server) at(value string) (*fhir.Date, error) {
	d, err := fhir.ParseDate(value)
	if err != nil {
		return nil, fhir.Errorf(fhir.CodeInvalid, "http._at", "_at must be a date or dateTime without a prefix, as 2024-05-01 or 2024-05-01T08:30:00Z.")
	}
	low, _ := d.Range(time.UTC)
	if !d.HasZone {
		low = low.Add(-14 * time.Hour) // where the day begins first
	}
	if low.After(s.Now()) {
		return nil, fhir.Errorf(fhir.CodeInvalid, "http._at", "_at is in the future: nobody knows yet what will be current then.")
	}
	return &d, nil
}

// oldestFirst reads the order of a history.
func oldestFirst(sort string) (bool, error) {
	switch sort {
	case "_lastUpdated":
		return true, nil
	case "-_lastUpdated":
		return false, nil
	}
	return false, fhir.Errorf(fhir.CodeNotSupported, "http._sort", "A history is in the order -_lastUpdated, the newest first, or _lastUpdated.")
}

// routeHistory is for [type]/_history, and with no type in the URL for _history.
func (s *Server) routeHistory(r *request) (handler, error) {
	i, can := historySystem, func() bool { return len(s.chronicled()) > 0 }
	if r.kind != nil {
		i, can = historyType, func() bool { return r.kind.can.HistoryType }
	}
	r.allow = allow(when(can(), "GET, HEAD"))
	switch {
	case r.Method == http.MethodOptions:
		return nil, nil
	case !isRead(r.Method):
		return nil, notAllowed(r.allow, "A history can only be read.")
	case !can():
		return nil, notAllowed(r.allow, "There is no history of all these resources here, for the EHR that they live in keeps no old versions. Ask for [type]/[id]/_history.")
	}
	r.event.Interaction = i
	return s.history, nil
}

func without(pairs []search.Pair, name string) []search.Pair {
	return slices.DeleteFunc(slices.Clone(pairs), func(p search.Pair) bool { return p.Name == name })
}
