package rest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"net/http"

	"github.com/portico-fhir/portico/fhir"
	fhirbundle "github.com/portico-fhir/portico/fhir/bundle"
	"github.com/portico-fhir/portico/fhir/receipt"
)

const headerKey = "Idempotency-Key"

// maxKey is the longest Idempotency-Key.
const maxKey = 255

// once carries out a write, unless a request with its Idempotency-Key was carried out
// before: then it gives the same answer. On what only reads the header has no effect, for
// there is nothing to be done twice.
func (s *Server) once(w *response, r *request, h handler) error {
	if err := s.readProvenance(r); err != nil {
		return err
	}
	i := r.event.Interaction
	if i == invoke && r.op.Writes {
		if err := refuseHeaders(r.Header, headerKey); err != nil {
			return err // no operation leaves a receipt
		}
	}
	if i != create && i != update && i != patchResource && i != remove || r.claim == nil && r.Header[headerKey] == nil {
		return h(w, r)
	}
	if r.claim == nil {
		body, err := readBody(w.ResponseWriter, r, s.Limits.Body)
		if err != nil {
			return err
		}
		release, err := s.hold(r, body)
		if err != nil {
			return err
		}
		defer release()
	}
	if _, found := r.claim.Results(); !found {
		err := h(w, r)
		if !receipt.Taken(err) {
			return err
		}
		// Another node was carrying out the same, and was faster.
		if err := r.claim.Again(r.ctx); err != nil {
			return err
		}
	}
	results, _ := r.claim.Results()
	if len(results) == 0 {
		return errors.New("rest: an empty receipt")
	}
	if len(results) == 1 && r.prefer.content == representation {
		var err error
		if results[0].Resource, err = s.reload(r.ctx, results[0].Resource); err != nil {
			return err
		}
	}
	return s.wrote(w, r, results)
}

// hold takes hold of the Idempotency-Key of a request, if it has one.
func (s *Server) hold(r *request, body []byte) (release func(), err error) {
	values := r.Header[headerKey]
	switch {
	case values == nil:
		return func() {}, nil
	case s.Receipts == nil:
		return nil, fhir.Errorf(fhir.CodeNotSupported, "http."+headerKey, "This server keeps no receipts, so that it cannot honour an Idempotency-Key.")
	case len(values) > 1 || !validKey(values[0]):
		return nil, fhir.Errorf(fhir.CodeInvalid, "http."+headerKey, "There must be one Idempotency-Key, of 1 to %d visible ASCII characters.", maxKey)
	}
	r.claim, err = s.Receipts.Claim(r.ctx, r.caller, values[0], r.digest(body))
	if err != nil {
		return nil, err
	}
	return r.claim.Release, nil
}

func validKey(key string) bool {
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return false
		}
	}
	return key != "" && len(key) <= maxKey
}

// digest is the hash of all that decides what a write does. What decides only how
// the answer looks is not part of it.
func (r *request) digest(body []byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	part := func(b []byte) {
		h.Write(binary.AppendUvarint(nil, uint64(len(b))))
		h.Write(b)
	}
	part([]byte(r.Method))
	part([]byte(r.path))
	part([]byte(r.URL.RawQuery))
	for _, name := range []string{"Content-Type", "If-Match", "If-None-Match", "If-None-Exist", "X-Provenance"} {
		for _, value := range r.Header[name] {
			part([]byte(name))
			part([]byte(value))
		}
	}
	part(body)
	return [sha256.Size]byte(h.Sum(nil))
}

// begin notes that a batch with an Idempotency-Key is begun: its entries are carried out,
// and leave receipts, one by one.
func (s *Server) begin(r *request) error {
	if r.claim == nil {
		return nil
	}
	if _, found := r.claim.Results(); found {
		return nil
	}
	if err := r.claim.Keep(r.ctx, nil); !receipt.Taken(err) {
		return err
	}
	return r.claim.Again(r.ctx)
}

// transaction carries out a transaction, or gives the answers to it once more.
func (s *Server) transaction(r *request, b *fhirbundle.Bundle) ([]fhirbundle.Answer, error) {
	p := s.processor(r)
	if r.claim == nil {
		return p.Transaction(r.ctx, b)
	}
	if _, found := r.claim.Results(); !found {
		answers, err := p.Transaction(r.ctx, b)
		if !receipt.Taken(err) {
			return answers, err
		}
		if err := r.claim.Again(r.ctx); err != nil {
			return nil, err
		}
	}
	results, _ := r.claim.Results()
	if r.prefer.stated && r.prefer.content == representation {
		for i := range results {
			var err error
			if results[i].Resource, err = s.reload(r.ctx, results[i].Resource); err != nil {
				return nil, err
			}
		}
	}
	return p.Again(r.ctx, b, results)
}

// reload gives a version its content again. It stays without, when the version is
// no longer kept.
func (s *Server) reload(ctx context.Context, res fhir.Resource) (fhir.Resource, error) {
	if res.Deleted || res.Version == "" {
		return res, nil
	}
	version, err := s.Repository.Version(ctx, res.Key, res.Version)
	var told *fhir.Error
	switch {
	case err == nil:
		return version, nil
	case errors.As(err, &told) && statusOf(told.Code()) < http.StatusInternalServerError:
		return res, nil
	}
	return res, err
}
