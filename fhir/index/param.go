package index

import (
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/path"
	"github.com/portico-fhir/portico/fhir/search"
)

// param is a search parameter of one type, compiled.
type param struct {
	*fhir.SearchParam
	code       string // what its entries start with
	exprs      []source
	components []component
	scoped     bool // its tokens have entries with the patient in front
	words      bool // it is for full text
	derived
}

// Type holds the parameters of one resource type. Immutable, safe for
// concurrent use.
type Type struct {
	name    fhir.Type
	params  []*param
	byName  map[string]*param
	tops    map[string]elements
	patient *param // refers to the patient whose record a resource is part of; may be nil
	clinic  *param // the date that counts clinically; may be nil
	pair    *pair  // may be nil
	names   *names // may be nil
}

// patientScoped are the token parameters that apps combine with a patient.
var patientScoped = []string{
	"category", "class", "clinical-status", "code", "intent", "lifecycle-status", "status", "type", "vaccine-code", "verification-status",
}

// uniform are the types nearly all of whose resources have one status, so that
// it would not narrow a patient's down.
var uniform = []fhir.Type{
	"Claim", "Communication", "DiagnosticReport", "DocumentReference", "ExplanationOfBenefit", "Immunization", "Media", "Observation", "Procedure",
}

// scopes reports whether a parameter's tokens have entries with the patient in front.
func scopes(t fhir.Type, p *fhir.SearchParam) bool {
	if p.Name == "status" && slices.Contains(uniform, t) {
		return false
	}
	return p.Type == fhir.ParamToken && slices.Contains(patientScoped, p.Name)
}

// clinicalDates are the names of the parameter that gives a resource's place in
// time, the first that a type has.
var clinicalDates = []string{
	"authoredon", "authored", "authored-on", "date", "effective-time", "whenhandedover", "recorded-date", "onset-date",
	"sent", "start", "created", "start-date", "recorded", "started", "effective",
}

// internal are parameters that ask for something else than what is in the resource.
var internal = []string{"_query", "_filter"}

func compile(t fhir.Type) *Type {
	it := &Type{name: t, byName: make(map[string]*param), tops: make(map[string]elements)}
	for _, p := range search.Params(t) {
		c := &param{SearchParam: p, code: codeOf(t, p), scoped: scopes(t, p)}
		switch {
		case slices.Contains(internal, p.Name):
			continue
		case isWords(p.Name):
			c.words = true
		default:
			c.exprs = it.sources(alternatives(t, p.Expression))
		}
		c.components = componentsOf(c, false)
		it.params = append(it.params, c)
		it.byName[p.Name] = c
	}
	for _, p := range it.params {
		p.derived = it.derive(p)
	}
	it.patient = it.patientParam()
	it.pair, it.names = it.paired(), it.named()
	for _, name := range clinicalDates {
		if p := it.byName[name]; p != nil && p.Type == fhir.ParamDate {
			it.clinic = p
			break
		}
	}
	return it
}

// alternatives are the parts of an expression that can yield something on t.
func alternatives(t fhir.Type, expr string) []*path.Expr {
	return slices.DeleteFunc(path.MustParse(expr).Alternatives(), func(e *path.Expr) bool {
		start := fhir.Type(e.Start())
		return start != t && start.Valid()
	})
}

// patientParam finds the reference to the patient.
func (it *Type) patientParam() *param {
	for _, name := range []string{"patient", "subject"} {
		if p := it.byName[name]; p != nil && p.Type == fhir.ParamReference {
			return p
		}
	}
	return nil
}

// samePatient reports whether a reference to a Patient by p is one by the
// patient parameter: many types have subject too, over the same element.
func (it *Type) samePatient(p *param) bool {
	if it.patient == nil || p == it.patient {
		return p == it.patient
	}
	strip := func(p *param) string {
		for alt := range strings.SplitSeq(p.Expression, "|") {
			alt = strings.TrimSpace(alt)
			if strings.HasPrefix(alt, string(it.name)+".") {
				return strings.TrimSuffix(alt, ".where(resolve() is Patient)")
			}
		}
		return ""
	}
	return p.Name == "subject" && strip(p) != "" && strip(p) == strip(it.patient)
}

// ClinicalDate is the parameter whose earliest moment is Entries.Date; nil for
// types without one.
func (it *Type) ClinicalDate() *fhir.SearchParam {
	if it.clinic == nil {
		return nil
	}
	return it.clinic.SearchParam
}

// Params are the parameters that can be searched by, sorted by name.
func (it *Type) Params() []*fhir.SearchParam {
	list := make([]*fhir.SearchParam, len(it.params))
	for i, p := range it.params {
		list[i] = p.SearchParam
	}
	return list
}
