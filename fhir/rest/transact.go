package rest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/portico-fhir/portico/fhir"
	fhirbundle "github.com/portico-fhir/portico/fhir/bundle"
)

// transact answers POST [base] with a batch or transaction (R4 3.1.0.11).
func (s *Server) transact(w *response, r *request) error {
	if err := refuseHeaders(r.Header, "If-Match", "If-None-Match", "If-None-Exist", "If-Unmodified-Since"); err != nil {
		return err
	}
	if err := r.noParams(); err != nil {
		return err
	}
	if err := checkContent(r.Header.Get("Content-Type")); err != nil {
		return err
	}
	body, err := readBody(w.ResponseWriter, r, s.Limits.Bundle)
	if err != nil {
		return err
	}
	release, err := s.hold(r, body)
	if err != nil {
		return err
	}
	defer release()
	b, err := s.parseBundle(body)
	if err != nil {
		return err
	}
	if b.Type == "batch" {
		r.event.Interaction = batch
		if err := refuseHeaders(r.Header, headerProvenance); err != nil {
			return err // which of the entries is it about?
		}
		if err := s.begin(r); err != nil {
			return err
		}
		return s.sendAnswers(w, r, b, s.processor(r).Batch(r.ctx, b))
	}
	answers, err := s.transaction(r, b)
	if err != nil {
		return err
	}
	s.logWritten(r, b, answers)
	return s.sendAnswers(w, r, b, answers)
}

// processor is what carries out Bundles for one request.
func (s *Server) processor(r *request) *fhirbundle.Processor {
	p := *s.Bundles
	p.Writer, p.Search, p.Base = s.writer(r), s.Search, r.base
	done := 0
	p.Do = func(ctx context.Context, c fhirbundle.Call) fhirbundle.Answer {
		if r.progress != nil {
			done++
			r.progress(strconv.Itoa(done) + " entries")
		}
		return s.call(ctx, r, c)
	}
	return &p
}

// call carries out one entry as a request of its own. Writes come back without
// their content unless the client asked for it.
func (s *Server) call(ctx context.Context, outer *request, c fhirbundle.Call) fhirbundle.Answer {
	if err := s.room.check(); err != nil {
		_, issues := explain(err)
		return fhirbundle.Answer{Issues: issues}
	}
	u, err := url.Parse("/" + c.URL)
	if err != nil {
		return fhirbundle.Answer{Issues: fhir.Errorf(fhir.CodeInvalid, "", "The url cannot be parsed.").Issues}
	}
	c.Header["Prefer"] = append([]string{"return=minimal"}, outer.Header["Prefer"]...)
	hr := &http.Request{
		Method: c.Method, URL: u, Header: c.Header, Host: outer.Host, ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader(c.Body)), ContentLength: int64(len(c.Body)),
	}
	sub := &request{Request: hr, ctx: ctx, base: outer.base, media: mediaFHIR, path: u.EscapedPath(), caller: outer.caller, inner: true}
	sub.event = entryEvent(outer, c.Entry, c.Method, s.Now())
	rec := &recorder{header: http.Header{}}
	w := &response{ResponseWriter: rec, req: sub, pools: s.pools}
	a := s.enter(ctx, outer, sub, w, rec, c)
	sub.event.Status = a.Status
	if len(a.Issues) > 0 {
		sub.event.Code = a.Issues[0].Code
	}
	s.logEntry(ctx, &sub.event)
	return a
}

// enter carries out the request of an entry.
func (s *Server) enter(ctx context.Context, outer, sub *request, w *response, rec *recorder, c fhirbundle.Call) fhirbundle.Answer {
	var err error
	if outer.claim != nil && outer.event.Interaction == batch {
		if sub.claim, err = outer.claim.Part(ctx, c.Entry); err != nil {
			return failed(outer, rec, err)
		}
	}
	if err := s.dispatch(w, sub); err != nil {
		return failed(outer, rec, err)
	}
	a := fhirbundle.Answer{Status: w.status, Location: rec.header.Get("Location"), ETag: rec.header.Get("Etag"), Updated: w.updated}
	if c.Method != http.MethodHead {
		a.Body = rec.body.Bytes()
	}
	return a
}

// failed is the answer to an entry that came to nothing.
func failed(outer *request, rec *recorder, err error) fhirbundle.Answer {
	status, issues := explain(err)
	if private := cause(err); private != nil && status >= http.StatusInternalServerError {
		outer.event.Err = private
	}
	return fhirbundle.Answer{Status: status, ETag: rec.header.Get("Etag"), Issues: issues}
}

// recorder keeps the answer to an entry.
type recorder struct {
	header http.Header
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter; response remembers the status.
func (r *recorder) WriteHeader(int) {}

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

// sendAnswers writes the Bundle of answers, in the order of the entries.
func (s *Server) sendAnswers(w *response, r *request, b *fhirbundle.Bundle, answers []fhirbundle.Answer) error {
	buf := append((*w.pools.buffers.Get().(*[]byte))[:0], `{"resourceType":"Bundle","type":"`+b.Type+`-response"`...)
	for i, a := range answers {
		if len(buf) >= flushAt {
			if err := w.flush(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
		if i == 0 {
			buf = append(buf, `,"entry":[{`...)
		} else {
			buf = append(buf, `,{`...)
		}
		buf = append(appendAnswer(buf, a, r.prefer, b.Entries[i].Asks()), '}')
	}
	if len(answers) > 0 {
		buf = append(buf, ']')
	}
	return w.end(append(buf, '}'))
}

// outcomeStart is how appendOutcome begins.
const outcomeStart = `{"resourceType":"OperationOutcome"`

// appendAnswer writes the members of one entry.
func appendAnswer(dst []byte, a fhirbundle.Answer, want prefer, asks bool) []byte {
	if len(a.Issues) > 0 && a.Status == 0 {
		a.Status = statusOf(a.Issues[0].Code)
	}
	var said []byte
	switch {
	case len(a.Issues) > 0:
		said = appendOutcome(nil, a.Issues)
	case !asks && bytes.HasPrefix(a.Body, []byte(outcomeStart)):
		said, a.Body = a.Body, nil
	case !asks && want.content == outcome:
		said = appendOutcome(nil, []fhir.Issue{{
			Severity: fhir.SeverityInformation, Code: fhir.CodeInformational, Detail: "The request was carried out: " + http.StatusText(a.Status) + ".",
		}})
		a.Body = nil
	case !asks && !(want.stated && want.content == representation):
		a.Body = nil
	}
	if len(a.Body) > 0 {
		dst = append(append(append(dst, `"resource":`...), a.Body...), ',')
	}
	dst = append(append(strconv.AppendInt(append(dst, `"response":{"status":"`...), int64(a.Status), 10), ' '), http.StatusText(a.Status)...)
	dst = append(dst, '"')
	if a.Location != "" {
		dst = appendString(append(dst, `,"location":`...), a.Location)
	}
	if a.ETag != "" {
		dst = appendString(append(dst, `,"etag":`...), a.ETag)
	}
	if !a.Updated.IsZero() {
		dst = append(appendInstant(append(dst, `,"lastModified":"`...), a.Updated), '"')
	}
	if said != nil {
		dst = append(append(dst, `,"outcome":`...), said...)
	}
	return append(dst, '}')
}
