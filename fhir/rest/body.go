package rest

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// firstRead is how much is allocated on the word of a Content-Length alone.
const firstRead = 256 << 10

// readBody reads the body, decompressed when it is gzip. More than limit
// bytes, before or after decompression, are refused, and what the server has no room
// for.
func readBody(w http.ResponseWriter, r *request, limit int64) ([]byte, error) {
	if r.whole != nil {
		return r.whole, nil
	}
	if r.ContentLength > limit {
		return nil, tooLong(limit)
	}
	raw := http.MaxBytesReader(w, r.Body, limit)
	var src io.Reader = raw
	size := r.ContentLength
	switch encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(raw)
		if err != nil {
			return nil, fhir.Errorf(fhir.CodeStructure, "http.Content-Encoding", "The body is not gzip, as Content-Encoding says.").Because(err)
		}
		src, size = io.LimitReader(z, limit+1), -1
	default:
		return nil, unsupportedMedia("http.Content-Encoding", "The body may be sent as it is or as gzip.")
	}
	body, err := r.readAll(src, size)
	var told *fhir.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &told):
		return nil, err
	case errors.As(err, &tooLarge) || int64(len(body)) > limit:
		return nil, tooLong(limit)
	case err != nil && r.ctx.Err() != nil:
		return nil, r.ctx.Err()
	case err != nil:
		return nil, fhir.Errorf(fhir.CodeStructure, "", "The body could not be read to its end.").Because(err)
	}
	r.whole = body
	return body, nil
}

// readAll reads src to its end, of which the size may be known, or is -1.
func (r *request) readAll(src io.Reader, size int64) ([]byte, error) {
	first := size
	if size < 0 {
		first = smallBody / 16
	}
	if err := r.share.hold(first); err != nil {
		return nil, err
	}
	body := make([]byte, 0, min(first, firstRead)+1)
	for {
		n, err := src.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, err
		case len(body) < cap(body):
			continue
		}
		more := 2 * int64(cap(body))
		if size >= 0 {
			more = max(min(more, size+1), int64(cap(body))+1)
		}
		if err := r.share.hold(more - 1); err != nil {
			return nil, err
		}
		body = append(make([]byte, 0, more), body...)
	}
}

func tooLong(limit int64) error {
	return fhir.Errorf(fhir.CodeTooLong, "", "The body is larger than the %d bytes that this server takes.", limit)
}

// readForm appends the parameters in the body of a POST _search to those of
// the URL (R4 3.1.1.1.2).
func (s *Server) readForm(w *response, r *request) error {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	media = strings.TrimSpace(media)
	if media == "" && r.ContentLength == 0 {
		return nil
	}
	if !strings.EqualFold(media, mediaForm) {
		return unsupportedMedia("http.Content-Type", "A search by POST takes %s.", mediaForm)
	}
	body, err := readBody(w.ResponseWriter, r, s.Limits.Form)
	if err != nil {
		return err
	}
	r.params, err = parseQuery(r.params, string(body))
	return err
}
