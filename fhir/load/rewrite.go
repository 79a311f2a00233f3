package load

import (
	"bytes"
	"context"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	fhirbundle "github.com/portico-fhir/portico/fhir/bundle"
)

// rewrite replaces in the resource of u what refers to other entries of its Bundle, and
// conditional references. What cannot be resolved makes an *fhir.Error. Without anything
// to replace it gives the same bytes.
func (r *run) rewrite(ctx context.Context, u unit) ([]byte, error) {
	if u.links == nil && !questioned(u.raw) {
		return u.raw, nil
	}
	var issues []fhir.Issue
	out, err := fhirbundle.Rewrite(u.raw, fhirbundle.Links(u.links), func(ref string) (string, error) {
		to, err := r.target(ctx, u.links, ref)
		if is := asIssues(err); is != nil {
			issues = append(issues, is...)
			return ref, nil
		}
		return to, err
	})
	switch {
	case err != nil:
		return nil, err
	case len(issues) > 0:
		return nil, &fhir.Error{Issues: issues}
	}
	return out, nil
}

// questioned reports whether there may be a question mark in the text of a resource, as
// conditional references have.
func questioned(raw []byte) bool {
	return bytes.IndexByte(raw, '?') >= 0 || bytes.Contains(raw, []byte(`\u003`))
}

// target gives what a Reference.reference becomes.
func (r *run) target(ctx context.Context, where links, ref string) (string, error) {
	if where != nil {
		url, fragment, _ := strings.Cut(ref, "#")
		if key, ok := where[url]; ok && url != "" {
			if fragment != "" {
				return key.String() + "#" + fragment, nil
			}
			return key.String(), nil
		}
		if strings.HasPrefix(ref, "urn:uuid:") || strings.HasPrefix(ref, "urn:oid:") {
			return "", fhir.Errorf(fhir.CodeNotFound, "", "the reference %q is not the fullUrl of an entry that can be loaded", ref)
		}
	}
	if !isCondition(ref) {
		return ref, nil
	}
	key, found, err := r.conditions.resolve(ctx, ref)
	switch {
	case err != nil:
		return "", err
	case !found:
		return "", fhir.Errorf(fhir.CodeNotFound, "", "the reference %q is met by no resource", ref)
	}
	return key.String(), nil
}
