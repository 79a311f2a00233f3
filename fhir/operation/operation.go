package operation

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/invariant"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/fhir/subset"
)

// Operations carries out operations. All fields are set before the first use; it
// is then safe for concurrent use.
type Operations struct {
	Repository fhir.Repository
	Search     *search.Parser
	// Location is where dates without a time zone are; nil: UTC.
	Location *time.Location
	// Validator is for $validate and for what operations write; nil: one with the default limits.
	Validator *invariant.Validator
	// More are operations that other packages carry out. They have their Type and Run
	// set.
	More []Definition
}

// Call is an invocation of an operation.
type Call struct {
	// Key is the resource in the URL; without ID it is the type's.
	Key    fhir.Key
	Params []search.Pair
	// Body is that of the request, for a Definition with TakesBody; nil without one.
	Body []byte
	// Caller is whom the cursors of pages are bound to.
	Caller string
}

// Result is what an operation answers: a Parameters resource, an
// OperationOutcome, or a searchset.
type Result struct {
	Parameters []byte       // complete JSON; nil when it is none
	Outcome    []fhir.Issue // of the OperationOutcome; nil when it is none

	Page  fhir.Page
	Notes []fhir.Issue  // about the searchset
	Used  []search.Pair // parameters that took effect
	Next  []search.Pair // those of the next page; nil on the last
	Shape *subset.Shape // of the resources
}

// Definition is an operation on a type.
type Definition struct {
	Code string // without the "$"
	URL  string // canonical of the OperationDefinition
	// Instance says that it is invoked on a resource, else on the type.
	Instance bool
	// TakesBody says that the body may be another resource than Parameters, or
	// Parameters with other values than primitive ones.
	TakesBody bool
	// Writes says that something is changed: it is invoked by POST only.
	Writes bool
	// Type is that of an operation of Operations.More; empty: it is on the whole
	// server. Run carries it out.
	Type fhir.Type
	Run  func(context.Context, Call) (Result, error)

	run func(*Operations, context.Context, Call) (Result, error)
}

// For gives the operations that there are on a type, by what can be done with
// it. An empty type is the whole server. A nil o has no more than those.
func (o *Operations) For(t fhir.Type, can fhir.Capability) []Definition {
	var all []Definition
	if o != nil {
		for _, d := range o.More {
			if d.Type == t {
				all = append(all, d)
			}
		}
	}
	if t == "" {
		return all
	}
	if (t == "Patient" || t == "Encounter") && can.Read && param(can, "_id") != nil {
		all = append(all, Definition{Code: "everything", URL: definitions + string(t) + "-everything", Instance: true, run: (*Operations).everything})
		if t == "Patient" && can.Search {
			all = append(all, Definition{Code: "everything", URL: definitions + string(t) + "-everything", run: (*Operations).everything})
		}
	}
	if t == "Observation" && can.Search && (param(can, "patient") != nil || param(can, "subject") != nil) {
		all = append(all, Definition{Code: "lastn", URL: definitions + "Observation-lastn", run: (*Operations).lastN})
	}
	if can.Read {
		all = append(all, Definition{Code: "meta", URL: definitions + "Resource-meta", Instance: true, run: (*Operations).meta})
		all = append(all, Definition{Code: "validate", URL: definitions + "Resource-validate", Instance: true, TakesBody: true, run: (*Operations).validate})
	}
	if can.Read && can.Update {
		all = append(all, metaOperations()...)
	}
	return append(all, Definition{Code: "validate", URL: definitions + "Resource-validate", TakesBody: true, run: (*Operations).validate})
}

const definitions = "http://hl7.org/fhir/OperationDefinition/"

// Find gives the operation of that code ("everything") on a type or one of its
// resources, or on the whole server. The error says what there is instead.
func (o *Operations) Find(t fhir.Type, can fhir.Capability, code string, instance bool) (Definition, error) {
	all := o.For(t, can)
	var codes []string
	for _, d := range all {
		if d.Code == code && d.Instance == instance {
			return d, nil
		}
		codes = append(codes, d.Code)
	}
	switch near := fhir.Nearest(code, codes); {
	case t == "" && near != "":
		return Definition{}, refusal("There is no operation $%s on the whole server. Did you mean $%s?", code, near)
	case t == "":
		return Definition{}, refusal("There is no operation $%s on the whole server. [base]/metadata lists those that there are.", code)
	case slices.Contains(codes, code) && instance:
		return Definition{}, refusal("$%s is invoked on the type: [base]/%s/$%s.", code, t, code)
	case slices.Contains(codes, code):
		return Definition{}, refusal("$%s for all resources of the type would cost too much. It is invoked on one: [base]/%s/[id]/$%s.", code, t, code)
	case near != "":
		return Definition{}, refusal("%s has no operation $%s. Did you mean $%s?", t, code, near)
	}
	return Definition{}, refusal("%s has no operation $%s here.", t, code)
}

func refusal(format string, args ...any) error {
	return fhir.Errorf(fhir.CodeNotSupported, "", format, args...)
}

// Run carries out the operation.
func (o *Operations) Run(ctx context.Context, d Definition, c Call) (Result, error) {
	if d.Run != nil {
		return d.Run(ctx, c)
	}
	return d.run(o, ctx, c)
}

// param gives a search parameter that is offered, or nil.
func param(can fhir.Capability, name string) *fhir.SearchParam {
	for _, p := range can.Params {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// invalid is a parameter that cannot be taken.
func invalid(name, format string, args ...any) *fhir.Error {
	return fhir.Errorf(fhir.CodeInvalid, "http."+name, format, args...)
}

// binding is what the cursors of an operation's pages are valid for.
func binding(code string, c Call, used []search.Pair) string {
	b := strconv.Quote(c.Caller) + strconv.Quote(c.Key.String()+"/$"+code)
	for _, p := range used {
		if p.Name != "_count" {
			b += strconv.Quote(p.Name) + strconv.Quote(p.Value)
		}
	}
	return b
}
