package patch

import (
	"bytes"

	"github.com/portico-fhir/portico/fhir"
)

// Patch is a parsed patch. It is immutable and safe for concurrent use.
type Patch interface {
	// Apply gives the resource as the patch makes it; body stays as it is. The
	// error is a *fhir.Error: CodeValue when the patch does not fit this resource
	// or would change what only the server sets (id, resourceType,
	// meta.versionId and meta.lastUpdated), CodeTooCostly when a limit is reached.
	Apply(body []byte) ([]byte, error)
}

// Limits of one patch. Copies can double a resource with each operation, and each
// operation reads all of it.
const (
	maxOperations = 1000
	maxResult     = 32 << 20
	maxWork       = 128 << 20 // bytes read and written by all operations together
)

// owned is what only the server sets.
type owned struct{ kind, id, version, updated string }

func ownedBy(body []byte) owned {
	o := owned{kind: textOf(body, "resourceType"), id: textOf(body, "id")}
	if meta, ok := find(body, "meta"); ok {
		o.version, o.updated = textOf(meta.of(body), "versionId"), textOf(meta.of(body), "lastUpdated")
	}
	return o
}

// keep checks that a patched resource still has what only the server sets. A
// meta that was replaced as a whole may leave versionId and lastUpdated out.
func (o owned) keep(body []byte) error {
	if len(body) == 0 || body[0] != '{' {
		return fixed("resource itself")
	}
	now := ownedBy(body)
	switch {
	case now.kind != o.kind:
		return fixed("resourceType")
	case now.id != o.id:
		return fixed("id")
	case now.version != "" && now.version != o.version:
		return fixed("meta.versionId")
	case now.updated != "" && now.updated != o.updated:
		return fixed("meta.lastUpdated")
	}
	return nil
}

func fixed(what string) error {
	return fhir.Errorf(fhir.CodeValue, "", "The patch would change the %s, which only the server sets.", what)
}

// textOf gives a member of an object when it is a string.
func textOf(object []byte, name string) string {
	at, ok := find(object, name)
	if !ok || object[at.start] != '"' {
		return ""
	}
	return unquote(at.of(object))
}

// meter bounds the work of one patch.
type meter struct{ left int }

func (m *meter) spend(n int) error {
	if m.left -= n; m.left < 0 {
		return fhir.Errorf(fhir.CodeTooCostly, "", "The patch has too many operations for a resource of this size. Send several patches, or the whole resource.")
	}
	if n > maxResult {
		return fhir.Errorf(fhir.CodeTooCostly, "", "The patch would make the resource larger than %d bytes.", maxResult)
	}
	return nil
}

// splice puts text in the place of a part of body.
func splice(body []byte, at span, text []byte) []byte {
	return bytes.Join([][]byte{body[:at.start], text, body[at.end:]}, nil)
}
