package chartmap

import (
	"context"

	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/store"
)

// lay reports whether a context is of a patient or a proxy, who see only what was
// released.
func lay(ctx context.Context) bool {
	a, ok := commit.ActorOf(ctx)
	return ok && (a.Role == "patient" || a.Role == "proxy")
}

// released reports whether those whom release rules are for see what is made of a
// document.
func (m *Mapping) released(doc store.Doc) bool {
	return m.visible().match(doc)
}
