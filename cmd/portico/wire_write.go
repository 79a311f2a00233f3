package main

import (
	"context"
	"log/slog"
	"slices"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/operation"
	"github.com/portico-fhir/portico/fhir/purge"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/fhir/router"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/scope"
)

// writeOperations are those of operations that change something which are not part of the
// specification; who asks everybody who they are, nil when nobody is asked.
func (c Config) writeOperations(types *router.Router, who *authority, log *slog.Logger) []operation.Definition {
	records, ok := types.Records.(*record.Repository)
	if !c.Write.Purge || !ok {
		return nil
	}
	var kept []fhir.Type
	for _, t := range fhir.Types() {
		if !types.IsMapped(t) { // what lives in the EHR has no versions to remove
			kept = append(kept, t)
		}
	}
	allow := func(context.Context, fhir.Type) (string, error) { return "somebody on this machine", nil } // Validate sees to it that it is
	if who != nil {
		allow = who.purges
	}
	return (&purge.Purger{Records: records, Log: log}).Operations(kept, allow)
}

// purges lets the backend services in smart.operators purge what they may delete.
func (a *authority) purges(ctx context.Context, t fhir.Type) (who string, err error) {
	caller := access.From(ctx)
	if !a.operates(caller) {
		return "", fhir.Errorf(fhir.CodeForbidden, "", "$purge is for backend services that the server's configuration lists in smart.operators.")
	}
	if all, filters := caller.Scopes.Allows(scope.System, t, scope.Delete); !all || filters != nil {
		return "", fhir.Errorf(fhir.CodeForbidden, "", "The token has no scope for this on %s: it wants system/%[1]s.d.", t)
	}
	if t == "AuditEvent" {
		return "", fhir.Errorf(fhir.CodeForbidden, "", "What tells who purged what is not purged over HTTP, but by portico purge.")
	}
	return "client " + caller.Client, nil
}

// operates reports whether a caller may do what else is for the command line.
func (a *authority) operates(caller *access.Access) bool {
	return caller != nil && caller.Kind == access.System && caller.Client != "" && slices.Contains(a.operators, caller.Client)
}
