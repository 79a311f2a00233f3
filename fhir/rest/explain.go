package rest

import (
	"context"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
)

// headerExplain asks for how a search was answered, beside the answer.
const headerExplain = "X-Portico-Explain"

// Explainer says how searches are answered. The context that it returns is that of one
// search, and plan, which is asked when that has ended, the text about it; it holds no
// values of the search or of resources. The error is that with which the caller is refused
// (CodeForbidden). Safe for concurrent use.
type Explainer func(ctx context.Context) (watched context.Context, plan func(*search.Request, fhir.Page) string, err error)

// explained prepares for the header: only searches that are answered at once take it, from
// those who may know.
func (s *Server) explained(r *request) (err error) {
	switch {
	case r.Header[headerExplain] == nil:
		return nil
	case r.Header.Get(headerExplain) != "true":
		return fhir.Errorf(fhir.CodeInvalid, "http."+headerExplain, "%s is written: true.", headerExplain)
	case s.Explain == nil || !r.event.Interaction.search() || r.prefer.async:
		return fhir.Errorf(fhir.CodeNotSupported, "http."+headerExplain, "%s is for searches that are answered at once.", headerExplain)
	}
	r.ctx, r.plan, err = s.Explain(r.ctx)
	return err
}

// planOf gives what there is to say about a search when that was asked for.
func (r *request) planOf(req *search.Request, page fhir.Page) []fhir.Issue {
	if r.plan == nil {
		return nil
	}
	return []fhir.Issue{{Severity: fhir.SeverityInformation, Code: fhir.CodeInformational, Detail: r.plan(req, page)}}
}
