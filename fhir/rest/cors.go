package rest

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// What browsers may send and see (the Fetch standard, CORS protocol).
const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
	corsRequest = "Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-Modified-Since, If-None-Exist, If-None-Match, Prefer, X-Provenance, X-Request-Id"
	corsExpose  = "Content-Location, ETag, Last-Modified, Location, Retry-After, WWW-Authenticate, X-Progress, X-Request-Id"
)

// allowOrigin tells a browser that the page it shows may see the answer.
func (s *Server) allowOrigin(ctx context.Context, h, request http.Header) {
	origin := request.Get("Origin")
	if origin == "" {
		return
	}
	switch {
	case slices.Contains(s.Origins, "*"):
		h.Set("Access-Control-Allow-Origin", "*")
	case slices.Contains(s.Origins, origin), s.Origin != nil && s.Origin(ctx, origin):
		h.Set("Access-Control-Allow-Origin", origin)
	default:
		return
	}
	h.Set("Access-Control-Expose-Headers", corsExpose)
}

// options answers a preflight, and a plain question for the methods.
func (s *Server) options(w *response, r *request) error {
	h := w.Header()
	if r.event.Interaction == capabilities {
		h.Set("Access-Control-Allow-Origin", "*")
	}
	allowed := "GET, HEAD, OPTIONS"
	if k := r.kind; r.allow != "" {
		allowed = r.allow
	} else if k != nil {
		switch {
		case r.version != "":
			allowed = k.versionAllow
		case strings.HasSuffix(r.path, "/_history"):
			allowed = k.historyAllow
		case strings.HasSuffix(r.path, "/_search"):
			allowed = k.searchAllow
		case r.event.ID != "":
			allowed = k.instanceAllow
		default:
			allowed = k.typeAllow
		}
	}
	h.Set("Allow", allowed)
	if r.Header.Get("Access-Control-Request-Method") != "" && h.Get("Access-Control-Allow-Origin") != "" {
		h.Set("Access-Control-Allow-Methods", corsMethods)
		h.Set("Access-Control-Allow-Headers", corsRequest)
		h.Set("Access-Control-Max-Age", "600")
	}
	r.event.Interaction = preflight
	w.empty(http.StatusNoContent)
	return nil
}
