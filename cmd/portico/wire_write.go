package main

import (
	"context"
	"log/slog"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/operation"
	"github.com/portico-fhir/portico/fhir/purge"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/fhir/router"
)

// writeOperations are those of operations that change something which are not part of the
// specification.
func (c Config) writeOperations(types *router.Router, log *slog.Logger) []operation.Definition {
	records, ok := types.Records.(*record.Repository)
	if !c.Write.Purge || !ok {
		return nil
	}
	var kept []fhir.Type
	for _, t := range fhir.Types() {
		if types.Describe(t).HistoryType { // what lives in the EHR has no versions to remove
			kept = append(kept, t)
		}
	}
	everybody := func(context.Context) error { return nil } // Validate sees to it that nobody is asked who they are
	return (&purge.Purger{Records: records, Log: log}).Operations(kept, everybody)
}
