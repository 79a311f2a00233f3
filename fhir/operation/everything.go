package operation

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/fhir/subset"
)

// everything gives a patient's or an encounter's record (Patient-everything,
// Encounter-everything): what is in its compartment, and what that refers to. On the
// type it gives the records of all patients that the caller may see, page by page.
func (o *Operations) everything(ctx context.Context, c Call) (Result, error) {
	ask, err := o.readEverything(c)
	if err != nil {
		return Result{}, err
	}
	// The resource is read for each page, so that the answer to one that is gone
	// is that it is gone.
	var root fhir.Resource
	if c.Key.ID != "" {
		if root, err = o.Repository.Read(ctx, c.Key); err != nil {
			return Result{}, err
		}
	}
	out := Result{Used: ask.used, Shape: ask.shape}
	queries := o.queries(c.Key, ask, &out)
	out.Page, err = Several(ctx, o.Repository, queries, ask.count, ask.position)
	if err != nil {
		return Result{}, err
	}
	out.Page.Included, err = o.support(ctx, ask, root, out.Page.Resources)
	if err != nil {
		return Result{}, err
	}
	if ask.position == "" && c.Key.ID != "" {
		if err := out.links(root); err != nil {
			return Result{}, err
		}
	} else {
		out.Notes = nil // the first page has them
	}
	if out.Page.Next != "" {
		token := o.Search.Cursors.Seal(out.Page.Next, binding("everything", c, ask.bound))
		out.Next = append(slices.Clone(ask.bound), search.Pair{Name: "_cursor", Value: token})
	}
	return out, nil
}

// maxParam bounds one parameter; a cursor is much shorter.
const maxParam = 2048

// request is what the parameters of $everything say.
type request struct {
	start, end, since *fhir.Date
	types             []fhir.Type // nil: all
	count             int
	position          string
	shape             *subset.Shape
	used, bound       []search.Pair // with and without the cursor
}

// wants reports whether resources of the type are to be returned.
func (r *request) wants(t fhir.Type) bool { return r.types == nil || slices.Contains(r.types, t) }

// readEverything reads the parameters.
func (o *Operations) readEverything(c Call) (*request, error) {
	wanted, params, err := search.ReadShape(c.Params)
	if err != nil {
		return nil, err
	}
	r := &request{count: o.Search.MaxCount}
	seen := make(map[string]bool)
	token := ""
	for _, p := range params {
		if len(p.Name)+len(p.Value) > maxParam {
			return nil, fhir.Errorf(fhir.CodeTooCostly, "http.query", "A parameter is longer than %d bytes.", maxParam)
		}
		if seen[p.Name] && p.Name != "_type" {
			return nil, invalid(p.Name, "%s is given twice.", p.Name)
		}
		seen[p.Name] = true
		if p.Name == "_cursor" {
			token = p.Value
			continue
		}
		if err := r.parameter(&p, c.Key.Type, o.Search.MaxCount); err != nil {
			return nil, err
		}
		r.bound = append(r.bound, p)
	}
	for _, p := range c.Params {
		if p.Name == "_summary" || p.Name == "_elements" {
			r.bound = append(r.bound, p)
		}
	}
	types := append(search.CompartmentTypes(c.Key.Type), supporting...)
	if r.shape, err = subset.New(subset.Mode(wanted.Summary), wanted.Elements, types...); err != nil {
		return nil, err
	}
	r.used = r.bound
	if seen["_cursor"] {
		r.used = append(slices.Clone(r.bound), search.Pair{Name: "_cursor", Value: token})
		r.position, err = o.Search.Cursors.Open(token, binding("everything", c, r.bound))
	}
	return r, err
}

// parameter reads one parameter; what takes effect of p is left in it.
func (r *request) parameter(p *search.Pair, t fhir.Type, maxCount int) error {
	switch {
	case p.Name == "_count":
		n, err := strconv.Atoi(p.Value)
		if err != nil || n < 1 {
			return invalid(p.Name, "_count must be a whole number, 1 or more.")
		}
		r.count = min(n, maxCount)
		p.Value = strconv.Itoa(r.count)
		return nil
	case p.Name == "_type":
		return r.typeList(p.Value, t)
	case p.Name == "_since":
		d, err := fhir.ParseDate(p.Value)
		if err != nil || !d.HasZone || d.Precision < fhir.PrecisionSecond {
			return invalid(p.Name, "_since must be an instant, as 2024-05-01T08:30:00Z. The + of a time zone is written %%2B in a URL.")
		}
		r.since = &d
		return nil
	case t == "Patient" && (p.Name == "start" || p.Name == "end"):
		d, err := fhir.ParseDate(p.Value)
		if err != nil || d.Precision > fhir.PrecisionDay {
			return invalid(p.Name, "%s must be a date, as 2024-05-01.", p.Name)
		}
		if p.Name == "start" {
			r.start = &d
		} else {
			r.end = &d
		}
		return nil
	}
	return fhir.Errorf(fhir.CodeNotSupported, "http.query", "$everything on %s takes %s, not %q.", t, taken(t), p.Name)
}

func taken(t fhir.Type) string {
	if t == "Patient" {
		return "start, end, _since, _type, _count, _summary and _elements"
	}
	return "_since, _type, _count, _summary and _elements"
}

// typeList reads a list of types. One that only supports others is found by
// what refers to it, which must be asked for too.
func (r *request) typeList(list string, of fhir.Type) error {
	members := search.CompartmentTypes(of)
	for name := range strings.SplitSeq(list, ",") {
		t := fhir.Type(name)
		if !slices.Contains(members, t) && !slices.Contains(supporting, t) && t != "Patient" {
			return invalid("_type", "%q is no type that $everything returns.", name)
		}
		if !slices.Contains(r.types, t) {
			r.types = append(r.types, t)
		}
	}
	if !slices.ContainsFunc(r.types, func(t fhir.Type) bool { return slices.Contains(members, t) }) {
		return fhir.Errorf(fhir.CodeNotSupported, "http._type", "These types are only returned beside what refers to them. Name such a type, too, as _type=Encounter,%s.", list)
	}
	return nil
}

// queries makes the query for each type, that of the resource itself first. Out
// gets notes of what cannot be restricted as asked.
func (o *Operations) queries(key fhir.Key, r *request, out *Result) []*fhir.Query {
	var queries []*fhir.Query
	types := search.CompartmentTypes(key.Type)
	types = slices.DeleteFunc(types, func(t fhir.Type) bool { return t == key.Type })
	types = slices.Insert(types, 0, key.Type)
	for _, t := range types {
		can := o.Search.Describe(t)
		if !r.wants(t) || !can.Search {
			continue
		}
		where, ok := search.Membership(key, t, can)
		switch {
		case key.ID == "" && t == key.Type:
			where, ok = nil, true
		case key.ID == "":
			where = anybodys(where, can)
		case t == key.Type:
			// Of its own type, only itself: others are linked to, not part of it.
			where, ok = fhir.Term{Param: param(can, "_id"), Value: fhir.TokenValue{Code: key.ID, AnySystem: true}}, true
		}
		if ok {
			queries = append(queries, &fhir.Query{Type: t, Where: r.restrict(t, can, where, out), Implied: !slices.Contains(r.types, t)})
		}
	}
	return queries
}

// restrict adds _since, and start and end where the type has a date of care.
func (r *request) restrict(t fhir.Type, can fhir.Capability, where fhir.Expr, out *Result) fhir.Expr {
	var all fhir.And
	if where != nil {
		all = append(all, where)
	}
	if r.since != nil {
		if p := param(can, "_lastUpdated"); p != nil {
			all = append(all, fhir.Term{Param: p, Prefix: fhir.GE, Value: fhir.DateValue{Date: *r.since}})
		} else {
			out.note("%s is not restricted by _since: its changes are not dated here.", t)
		}
	}
	name, dated := careDates[t]
	if dated && (r.start != nil || r.end != nil) {
		if p := param(can, name); p != nil {
			all = append(all, inCare(p, r.start, r.end))
		} else {
			out.note("%s is not restricted by start and end: its dates cannot be searched here.", t)
		}
	}
	if len(all) == 0 || (len(all) == 1 && where != nil) {
		return where
	}
	return all
}

// anybodys turns the condition of one compartment into that of any: that there is
// something by which a compartment is found. Where a type says which patient it is
// about, that decides.
func anybodys(member fhir.Expr, can fhir.Capability) fhir.Expr {
	present := func(p *fhir.SearchParam) fhir.Expr {
		return fhir.Term{Param: p, Modifier: fhir.ModMissing, Value: fhir.BoolValue(false)}
	}
	if p := param(can, "patient"); p != nil {
		return present(p)
	}
	switch e := member.(type) {
	case fhir.Term:
		return present(e.Param)
	case fhir.Or:
		var either fhir.Or
		for _, part := range e {
			either = append(either, anybodys(part, can))
		}
		return either
	default:
		return member
	}
}

// inCare holds for what overlaps the dates, and for what has no date.
func inCare(p *fhir.SearchParam, start, end *fhir.Date) fhir.Expr {
	var span fhir.And
	if start != nil {
		span = append(span, fhir.Term{Param: p, Prefix: fhir.GE, Value: fhir.DateValue{Date: *start}})
	}
	if end != nil {
		span = append(span, fhir.Term{Param: p, Prefix: fhir.LE, Value: fhir.DateValue{Date: *end}})
	}
	return fhir.Or{span, fhir.Term{Param: p, Modifier: fhir.ModMissing, Value: fhir.BoolValue(true)}}
}

func (r *Result) note(format string, args ...any) {
	issue := fhir.Errorf(fhir.CodeInformational, "", format, args...).Issues[0]
	issue.Severity = fhir.SeverityWarning
	r.Notes = append(r.Notes, issue)
}

// links notes other resources of the same person: their records are not part of
// the answer.
func (r *Result) links(root fhir.Resource) error {
	if root.Type != "Patient" {
		return nil
	}
	var patient struct {
		Link []struct {
			Other struct {
				Reference string `json:"reference"`
			} `json:"other"`
			Type string `json:"type"`
		} `json:"link"`
	}
	if err := json.Unmarshal(root.Body, &patient); err != nil {
		return malformed(root.Key, err)
	}
	for _, l := range patient.Link {
		ref := fhir.ParseReference(l.Other.Reference, "")
		if ref.Kind != fhir.RefLocal {
			continue
		}
		switch l.Type {
		case "replaced-by":
			r.note("%s was replaced by %s, whose record is not part of this. Ask for %s/$everything.", root.Key, ref.Key, ref.Key)
		default:
			r.note("%s is linked to %s (%s), whose record is not part of this.", root.Key, ref.Key, l.Type)
		}
	}
	return nil
}
