package purge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/operation"
	"github.com/portico-fhir/portico/fhir/record"
)

// definition is the canonical URL of $purge.
const definition = "https://github.com/portico-fhir/portico/OperationDefinition/Resource-purge"

// Operations gives $purge on the resources of these types: it takes before, an instant,
// and deleted and dryRun, booleans, and answers with what was removed. allow decides
// who may purge a type, by the context of a request, before anything is looked up, and
// names them for the AuditEvent; its error is a *fhir.Error.
func (s *Purger) Operations(types []fhir.Type, allow func(context.Context, fhir.Type) (who string, err error)) []operation.Definition {
	var all []operation.Definition
	for _, t := range types {
		all = append(all, operation.Definition{
			Code: "purge", URL: definition, Instance: true, Writes: true, Type: t,
			Run: func(ctx context.Context, c operation.Call) (operation.Result, error) {
				who, err := allow(ctx, t)
				if err != nil {
					return operation.Result{}, err
				}
				return s.operate(ctx, who, c)
			},
		})
	}
	return all
}

func (s *Purger) operate(ctx context.Context, who string, c operation.Call) (operation.Result, error) {
	p := record.Purge{Key: c.Key}
	for _, pair := range c.Params {
		var err error
		switch pair.Name {
		case "before":
			p.Before, err = time.Parse(time.RFC3339, pair.Value)
		case "deleted":
			p.Deleted, err = boolean(pair.Value)
		case "dryRun":
			p.DryRun, err = boolean(pair.Value)
		default:
			return operation.Result{}, fhir.Errorf(fhir.CodeInvalid, "http."+pair.Name, "$purge takes before, deleted and dryRun, not %q.", pair.Name)
		}
		if err != nil {
			return operation.Result{}, fhir.Errorf(fhir.CodeInvalid, "http."+pair.Name, "before must be an instant, deleted and dryRun true or false.")
		}
	}
	if p.Before.IsZero() {
		return operation.Result{}, fhir.Errorf(fhir.CodeRequired, "http.before", "Say before which instant a version must have been replaced to be removed.")
	}
	if _, err := s.Records.Read(ctx, c.Key); err != nil && !fhir.Is(err, fhir.CodeDeleted) {
		return operation.Result{}, err
	}
	sum, err := s.Run(ctx, who, p)
	if err != nil {
		return operation.Result{}, err
	}
	return operation.Result{Parameters: fmt.Appendf(nil,
		`{"resourceType":"Parameters","parameter":[{"name":"versions","valueInteger":%d},{"name":"resources","valueInteger":%d},{"name":"dryRun","valueBoolean":%t}]}`,
		sum.Versions, sum.Resources, p.DryRun)}, nil
}

func boolean(s string) (bool, error) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errors.New("neither true nor false")
}
