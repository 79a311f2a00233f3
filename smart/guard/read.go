package guard

import (
	"context"
	"strconv"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
)

// Read implements [fhir.Repository].
func (r *Repository) Read(ctx context.Context, key fhir.Key) (fhir.Resource, error) {
	v, err := r.decide(ctx, key.Type, letter(ctx, scope.Read), policy.See)
	if err != nil {
		return fhir.Resource{}, err
	}
	res, err := r.Inner.Read(v.actor, key)
	return r.handOut(v, res, err, notFound(key))
}

// Version implements [fhir.Repository]: each version is judged by itself.
func (r *Repository) Version(ctx context.Context, key fhir.Key, version string) (fhir.Resource, error) {
	v, err := r.decide(ctx, key.Type, letter(ctx, scope.Read), policy.See)
	if err != nil {
		return fhir.Resource{}, err
	}
	res, err := r.Inner.Version(v.actor, key, version)
	return r.handOut(v, res, err, noVersion(key))
}

// handOut gives what Inner gave if it is within the view, else the error unseen. A
// delete marker is within it if what was deleted is.
func (r *Repository) handOut(v *view, res fhir.Resource, err error, unseen *fhir.Error) (fhir.Resource, error) {
	if v.whole() {
		return res, err
	}
	if fhir.Is(err, fhir.CodeNotFound) {
		return fhir.Resource{}, unseen
	}
	if err != nil && !fhir.Is(err, fhir.CodeDeleted) {
		return fhir.Resource{}, err
	}
	ok, failed := r.visible(v, res)
	switch {
	case failed != nil:
		return fhir.Resource{}, failed
	case !ok:
		return fhir.Resource{}, unseen
	}
	shown, failed := r.show(v, res)
	if failed != nil {
		return fhir.Resource{}, failed
	}
	return shown, err
}

// visible is shows, also for delete markers.
func (r *Repository) visible(v *view, res fhir.Resource) (bool, error) {
	if !res.Deleted {
		return r.shows(v, res)
	}
	if len(v.branches) == 0 {
		return false, nil
	}
	number, err := strconv.ParseInt(res.Version, 10, 64)
	if err != nil || number < 2 {
		return false, nil
	}
	before, err := r.Inner.Version(v.actor, res.Key, strconv.FormatInt(number-1, 10))
	if err != nil || before.Deleted {
		if fhir.Is(err, fhir.CodeNotFound, fhir.CodeDeleted) {
			err = nil
		}
		return false, err
	}
	return r.shows(v, before)
}
