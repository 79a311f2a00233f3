package rest

import (
	"net/http"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir"
)

// etag is the entity tag of a version (R4 3.1.0.1.3).
func etag(version string) string { return `W/"` + version + `"` }

// parseTag reads one entity tag, weak or strong: versions compare weakly.
func parseTag(s string) (version string, ok bool) {
	s = strings.TrimPrefix(s, "W/")
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", false
	}
	version = s[1 : len(s)-1]
	return version, !strings.ContainsAny(version, `",`)
}

// ifMatch reads the version of If-Match on a write (R4 3.1.0.5.1); "" when the
// header is absent. What cannot be honoured is refused: a precondition that is
// ignored loses updates.
func ifMatch(h http.Header) (string, error) {
	values := h["If-Match"]
	if len(values) == 0 {
		return "", nil
	}
	version, ok := parseTag(strings.TrimSpace(values[0]))
	if len(values) > 1 || !ok || !fhir.ValidID(version) {
		return "", fhir.Errorf(fhir.CodeInvalid, "http.If-Match", `If-Match takes one version, as W/"3".`)
	}
	return version, nil
}

// refuseHeaders refuses the preconditions that mean nothing for this request.
func refuseHeaders(h http.Header, names ...string) error {
	for _, name := range names {
		if _, ok := h[name]; ok {
			return fhir.Errorf(fhir.CodeNotSupported, "http."+name, "%s is not supported on this request. Send it without.", name)
		}
	}
	return nil
}

// checkRead evaluates the preconditions of a read against what was found (RFC
// 9110 13.2.2): notModified asks for a 304.
func checkRead(h http.Header, res fhir.Resource) (notModified bool, err error) {
	if values, ok := h["If-Match"]; ok && !matches(values, res.Version) {
		return false, fhir.Errorf(fhir.CodeConflict, "http.If-Match", "The version is %s, which If-Match does not name.", res.Version)
	}
	if values, ok := h["If-None-Match"]; ok {
		return matches(values, res.Version), nil
	}
	if since := h.Get("If-Modified-Since"); since != "" {
		// A date that cannot be parsed is ignored (RFC 9110 13.1.3).
		if t, err := http.ParseTime(since); err == nil {
			return !res.Updated.Truncate(time.Second).After(t), nil
		}
	}
	return false, nil
}

// matches compares a version with the entity tags of a header.
func matches(values []string, version string) bool {
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			part = strings.TrimSpace(part)
			if v, ok := parseTag(part); part == "*" || (ok && v == version) {
				return true
			}
		}
	}
	return false
}
