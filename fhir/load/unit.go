package load

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/bundle"
)

// unit is one resource to be loaded, as it was found.
type unit struct {
	Position
	raw   []byte
	key   fhir.Key
	links links  // shared by the Bundle
	err   error  // it cannot be loaded
	cond  string // the condition of its request
	only  bool   // to be created only if nothing meets the condition
	done  bool   // something does: key
}

// weight is what the unit counts among those that wait.
func (u *unit) weight() int64 { return min(int64(len(u.raw)), waitingBytes) }

// links are the fullUrls of a Bundle and the keys that they become; nil outside.
type links map[string]fhir.Key

// reader makes units of the documents of one source.
type reader struct {
	*run
	file    string
	resolve bool // conditional requests; else they stand for themselves
}

// units gives the resources of a document.
func (r *reader) units(ctx context.Context, d document) iter.Seq[unit] {
	return func(yield func(unit) bool) {
		at := Position{File: r.file, Line: d.line, Entry: -1}
		if d.err != nil {
			yield(unit{Position: at, err: d.err})
			return
		}
		kind := fhir.Type(text(d.raw, "resourceType"))
		if kind == "Bundle" {
			switch b, err := bundle.Read(d.raw, 0); {
			case err != nil:
				yield(unit{Position: at, key: fhir.Key{Type: kind}, err: err})
				return
			case unpacked(b.Type):
				for _, u := range r.bundle(ctx, at, b) {
					if !yield(u) {
						return
					}
				}
				return
			}
		}
		yield(unit{Position: at, raw: d.raw, key: fhir.Key{Type: kind, ID: idOf(text(d.raw, "id"), kind, d.raw)}})
	}
}

// bundle makes the units of a Bundle.
func (r *reader) bundle(ctx context.Context, at Position, b *bundle.Bundle) []unit {
	entries := entriesOf(b)
	units := make([]unit, 0, len(entries))
	where := links{}
	first := map[fhir.Key]int{}
	for i, e := range entries {
		if e.Search.Mode == "outcome" {
			continue
		}
		at.Entry = i
		u := r.entry(ctx, at, e)
		u.links = where
		if j, twice := first[u.key]; twice && u.err == nil && !u.done {
			u.err = fhir.Errorf(fhir.CodeDuplicate, "", "it has the same type and id as entry[%d]", j)
		}
		if u.err == nil {
			first[u.key] = i
			if e.FullURL != "" {
				where[e.FullURL] = u.key
			}
		}
		units = append(units, u)
	}
	return units
}

// entry makes the unit of one entry.
func (r *reader) entry(ctx context.Context, at Position, e entry) unit {
	u := unit{Position: at, raw: e.Resource, only: e.request.IfNoneExist != "", cond: e.condition()}
	u.key, u.err = e.key()
	if u.err != nil || u.cond == "" || !r.resolve {
		return u
	}
	found, exists, err := r.conditions.resolve(ctx, u.cond)
	switch {
	case err != nil:
		u.err = err
	case exists && found != u.key:
		u.key, u.done = found, u.only
	}
	return u
}

// condition gives the condition of a conditional create or update, in the form of a
// conditional reference; "" when there is none.
func (e entry) condition() string {
	switch {
	case e.request.IfNoneExist != "":
		kind, _, _ := strings.Cut(e.request.URL, "?")
		return kind + "?" + strings.TrimPrefix(e.request.IfNoneExist, "?")
	case e.request.Method == "PUT" && strings.Contains(e.request.URL, "?"):
		return e.request.URL
	}
	return ""
}

// key says as what an entry is loaded.
func (e entry) key() (fhir.Key, error) {
	switch {
	case e.request.Method != "" && e.request.Method != "POST" && e.request.Method != "PUT":
		return fhir.Key{}, fhir.Errorf(fhir.CodeNotSupported, "Bundle.entry.request.method", "%s cannot be loaded; POST and PUT can", e.request.Method)
	case len(e.Resource) == 0 || e.Resource[0] != '{':
		return fhir.Key{}, fhir.Errorf(fhir.CodeRequired, "Bundle.entry.resource", "the entry has no resource")
	}
	kind, id := fhir.Type(text(e.Resource, "resourceType")), text(e.Resource, "id")
	path, _, conditional := strings.Cut(e.request.URL, "?")
	if i := strings.LastIndex(path, "/"+string(kind)+"/"); i >= 0 && strings.Contains(path[:i], "://") {
		path = path[i+1:] // an absolute URL
	}
	named, urlID, _ := strings.Cut(path, "/")
	if e.request.URL != "" && named != string(kind) {
		return fhir.Key{}, fhir.Errorf(fhir.CodeInvalid, "Bundle.entry.request.url", "the url names the type %q, the resource is of type %q", named, kind)
	}
	if e.request.Method == "PUT" && !conditional {
		if id != "" && urlID != id {
			return fhir.Key{}, fhir.Errorf(fhir.CodeInvalid, "Bundle.entry.request.url", "the url has the id %q, the resource %q", urlID, id)
		}
		id = urlID
	}
	if id == "" {
		id = idInURL(e.FullURL, kind)
	}
	return fhir.Key{Type: kind, ID: idOf(id, kind, e.Resource)}, nil
}

// idInURL gives the id that a fullUrl implies: the UUID or OID of a urn, or the id at the end
// of a RESTful URL; "" when there is none.
func idInURL(fullURL string, kind fhir.Type) string {
	for _, scheme := range []string{"urn:uuid:", "urn:oid:"} {
		if id, ok := strings.CutPrefix(fullURL, scheme); ok && fhir.ValidID(id) {
			return id
		}
	}
	if i := strings.LastIndexByte(fullURL, '/'); i >= 0 && strings.HasSuffix(fullURL[:i], "/"+string(kind)) && fhir.ValidID(fullURL[i+1:]) {
		return fullURL[i+1:]
	}
	return ""
}

// idOf gives id, or for a resource without one an id that follows from its content.
func idOf(id string, kind fhir.Type, raw []byte) string {
	if id != "" {
		return id
	}
	h := sha256.New()
	h.Write([]byte(kind + "\n"))
	h.Write(raw)
	return hex.EncodeToString(h.Sum(nil)[:16])
}
