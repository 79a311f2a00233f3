package chartmap

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// maxVersions bounds how many old versions of a resource are looked at: the newest.
const maxVersions = 1000

// Version implements fhir.Repository: the current version, and those that the EHR
// keeps where the map says so. Of old versions the EHR's part is all that there is.
func (r *Repository) Version(ctx context.Context, key fhir.Key, version string) (fhir.Resource, error) {
	res, err := r.Read(ctx, key)
	if err != nil || res.Version == version {
		return res, err
	}
	found := fhir.Resource{}
	err = r.former(ctx, key, version, func(old fhir.Resource) bool {
		found = old
		return false
	})
	if err == nil && found.Version != version {
		err = fhir.Errorf(fhir.CodeNotFound, "", "The EHR keeps no version %q of %s.", version, key)
	}
	return found, err
}

// former gives the versions before the current one to f, the newest first, until it
// returns false: all, or the one that is named.
func (r *Repository) former(ctx context.Context, key fhir.Key, version string, f func(fhir.Resource) bool) error {
	s := r.Map.types[key.Type]
	id, suffix, ok := s.ids.parse(key.ID)
	if !ok {
		return nil
	}
	e := r.encoder()
	var done []string
	for _, b := range s.branches {
		if b.Archive == "" || b.suffix != suffix || slices.Contains(done, b.Archive) {
			continue
		}
		done = append(done, b.Archive)
		q := store.Query{Collection: b.Archive, Where: b.archived.eq(id), Order: []store.Key{{Path: b.version.path, Desc: true}}, Limit: maxVersions}
		if version != "" {
			v, _, ok := ids{}.parse(version)
			if !ok {
				return nil
			}
			q.Where, q.Limit = conjunction([]store.Filter{q.Where, b.version.eq(v)}), 1
		}
		for doc, err := range r.Store.Find(ctx, q) {
			if err != nil {
				return fmt.Errorf("reading %s: %w", b.Archive, err)
			}
			if old, ok := r.formerly(ctx, e, s, b, doc, id); ok && old.Key == key && !f(old) {
				return nil
			}
		}
	}
	return nil
}

// formerly makes the resource that a document was: by the map that it was of then.
func (r *Repository) formerly(ctx context.Context, e *encoder, s *served, kept *branch, doc store.Doc, id store.Value) (fhir.Resource, bool) {
	if kept.id.path == "_id" {
		doc = rekeyed(doc, id)
	}
	for _, b := range s.branches {
		if b.suffix == kept.suffix && b.Collection == kept.Collection && b.base.match(doc) && (!lay(ctx) || b.released(doc)) {
			return e.encode(b, doc)
		}
	}
	return fhir.Resource{}, false
}

// rekeyed gives a document another _id.
func rekeyed(doc store.Doc, id store.Value) store.Doc {
	elements, err := doc.Elements()
	if err != nil {
		return doc
	}
	d := bson.D{{Key: "_id", Value: id}}
	for _, e := range elements {
		if e.Key() != "_id" {
			d = append(d, bson.E{Key: e.Key(), Value: e.Value()})
		}
	}
	out, err := bson.Marshal(d)
	if err != nil {
		return doc
	}
	return out
}

// History implements fhir.Repository: the current version, and those
// that the EHR keeps where the map says so. What was deleted in the EHR has none of its own, and in that of a
// type only what it was before.
func (r *Repository) History(ctx context.Context, q fhir.HistoryQuery) (fhir.Page, error) {
	if q.Key.ID == "" {
		types := q.Types
		switch {
		case q.Key.Type != "":
			types = []fhir.Type{q.Key.Type}
		case types == nil:
			types = slices.DeleteFunc(r.Map.Types(), func(t fhir.Type) bool { return !r.Map.types[t].chronicled() })
			if len(types) == 0 {
				return fhir.Page{}, fhir.Errorf(fhir.CodeNotSupported, "", "The EHR keeps no history of any type.")
			}
		}
		return r.chronicle(ctx, q, types)
	}
	res, err := r.Read(ctx, q.Key)
	if err != nil {
		return fhir.Page{}, err
	}
	all := []fhir.Resource{res}
	if err := r.former(ctx, q.Key, "", func(old fhir.Resource) bool {
		if old.Version != res.Version { // which an EHR may keep there, too
			all = append(all, old)
		}
		return true
	}); err != nil {
		return fhir.Page{}, err
	}
	if q.At != nil && !r.known(all, *q.At) {
		return fhir.Page{}, fhir.Errorf(fhir.CodeNotSupported, "http._at", "The EHR does not say what %s was like then.", q.Key)
	}
	var ended time.Time
	all = slices.DeleteFunc(all, func(v fhir.Resource) bool {
		out := !q.Since.IsZero() && v.Updated.Before(q.Since) || q.At != nil && !currentWithin(v.Updated, ended, *q.At, r.Map.Location)
		ended = v.Updated
		return out
	})
	if q.Oldest {
		slices.Reverse(all)
	}
	page := fhir.Page{Total: ptr(int64(len(all)))}
	if q.Cursor != "" {
		i := slices.IndexFunc(all, func(v fhir.Resource) bool { return v.Version == q.Cursor })
		if i < 0 {
			return fhir.Page{}, badCursor()
		}
		all = all[i+1:]
	}
	page.Resources = all[:min(len(all), q.Count)]
	if n := len(page.Resources); n > 0 && n < len(all) {
		page.Next = page.Resources[n-1].Version
	}
	return page, nil
}

// known reports whether the versions tell all that was current within a date.
func (r *Repository) known(all []fhir.Resource, d fhir.Date) bool {
	low, _ := d.Range(r.Map.Location)
	first := all[len(all)-1].Updated
	return !first.IsZero() && !low.Before(first)
}

// currentWithin reports whether a version was current at some time within a date; ended is
// when the next one took its place, zero for none.
func currentWithin(began, ended time.Time, d fhir.Date, loc *time.Location) bool {
	low, high := d.Range(loc)
	return began.Before(high) && (ended.IsZero() || ended.After(low))
}
