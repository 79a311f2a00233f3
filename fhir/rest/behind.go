package rest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/portico-fhir/portico/fhir"
	fhirbundle "github.com/portico-fhir/portico/fhir/bundle"
	"github.com/portico-fhir/portico/fhir/job"
)

// jobKey begins the Idempotency-Key of a job that its client gave none.
const jobKey = "portico-job-"

// serveJobs carries out jobs until ctx ends; what it returns waits for the end.
func (s *Server) serveJobs(ctx context.Context) (wait func()) {
	if s.Jobs == nil {
		return func() {}
	}
	var jobs sync.WaitGroup
	jobs.Go(func() {
		for ctx.Err() == nil {
			err := s.Jobs.Serve(ctx)
			if err == nil {
				return
			}
			if s.Log != nil {
				s.Log.WarnContext(ctx, "jobs cannot be carried out", "cause", err)
			}
			_ = pause(ctx, time.Second)
		}
	})
	return jobs.Wait
}

// runJob carries out the request of a job as if it came in now. What is only busy is waited for.
func (s *Server) runJob(ctx context.Context, j job.Job, progress func(string)) job.Answer {
	ctx, who, err := s.permit(ctx, j)
	if err != nil {
		status, issues := explain(err)
		return jobFailed(status, &fhir.Error{Issues: issues})
	}
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		a, again := s.tryJob(ctx, j, who, progress)
		if !again || pause(ctx, wait) != nil {
			return a
		}
	}
}

// permit sees to it that a job may still be carried out: its token may have been ended, or have
// expired, since it was submitted. Who lost what the client sent with it cannot know.
func (s *Server) permit(ctx context.Context, j job.Job) (context.Context, Caller, error) {
	if s.Authenticate == nil {
		return ctx, Caller{}, nil
	}
	if !j.Known {
		return nil, Caller{}, fhir.Errorf(fhir.CodeLogin, "",
			"The server was started again before this was done, and with that ended the authorization that it was asked for with. %s", s.traces(ctx, j))
	}
	header := http.Header{}
	header["Authorization"], _ = ctx.Value(credentials{}).([]string)
	permitted, caller, err := s.Authenticate(ctx, header)
	if err == nil && caller.Name != j.Caller {
		err = fhir.Errorf(fhir.CodeLogin, "", "The access token stands for something else than when this was submitted.")
	}
	return permitted, caller, err
}

// tryJob carries out the request of a job once; again says that it was refused only since others
// were in the way.
func (s *Server) tryJob(ctx context.Context, j job.Job, who Caller, progress func(string)) (a job.Answer, again bool) {
	sub, err := s.jobRequest(ctx, j)
	if err != nil {
		return jobFailed(http.StatusInternalServerError, fhir.Errorf(fhir.CodeException, "", "The server failed.")), false
	}
	sub.progress = progress
	sub.event.Client, sub.event.Account = who.Client, who.Account
	defer sub.share.release()
	if err := sub.share.hold(int64(len(j.Request.Body))); err != nil {
		status, issues := explain(err)
		return jobFailed(status, &fhir.Error{Issues: issues}), true
	}
	rec := &recorder{header: http.Header{}}
	w := &response{ResponseWriter: rec, req: sub, pools: s.pools}
	defer func() {
		if recover() != nil { // finish has logged it
			a = jobFailed(http.StatusInternalServerError, fhir.Errorf(fhir.CodeException, "", "The server failed. The id of the job names this failure in its log."))
		}
	}()
	s.doJob(w, sub)
	busy := sub.event.Code == fhir.CodeLocked || sub.event.Code == fhir.CodeTransient || sub.event.Code == fhir.CodeThrottled
	return job.Answer{Status: w.status, Body: rec.body.Bytes()}, busy && w.status >= http.StatusBadRequest
}

func (s *Server) doJob(w *response, sub *request) {
	s.Metrics.begin()
	defer s.finish(w, sub)
	if err := s.dispatch(w, sub); err != nil {
		s.fail(w, sub, stopped(sub.ctx, err))
	}
}

// jobRequest makes the request of a job again. Without an Idempotency-Key of the client's it gets one, so
// that what a crash broke off is not carried out twice.
func (s *Server) jobRequest(ctx context.Context, j job.Job) (*request, error) {
	u, err := url.Parse(j.Request.Path)
	if err != nil {
		return nil, err
	}
	u.RawQuery = j.Request.Query
	header := j.Request.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if header[headerKey] == nil && s.Receipts != nil {
		header.Set(headerKey, jobKey+j.ID)
	}
	hr := &http.Request{
		Method: j.Request.Method, URL: u, Header: header, ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader(nil)), ContentLength: int64(len(j.Request.Body)),
	}
	sub := &request{Request: hr, ctx: ctx, base: j.Request.Base, media: mediaFHIR, path: j.Request.Path, caller: j.Caller, inner: true, share: share{room: s.room}}
	if sub.whole = j.Request.Body; sub.whole == nil {
		sub.whole = []byte{}
	}
	sub.event = event{Method: methodName(hr.Method), Start: s.Now(), RequestID: j.ID}
	return sub, nil
}

// giveUp is the answer to a job that was broken off again and again.
func (s *Server) giveUp(ctx context.Context, j job.Job) job.Answer {
	return jobFailed(http.StatusInternalServerError, fhir.Errorf(fhir.CodeException, "",
		"The server was broken off %d times while it carried this out, and does not try again. %s", job.MaxAttempts, s.traces(ctx, j)))
}

// traces says what a job that was broken off has left behind, by its receipt.
func (s *Server) traces(ctx context.Context, j job.Job) string {
	const unknown = "Whether something was changed is not known: look before you send it again."
	sub, err := s.jobRequest(ctx, j)
	if err != nil || s.Receipts == nil {
		return unknown
	}
	release, err := s.hold(sub, sub.whole)
	if err != nil {
		return unknown
	}
	defer release()
	_, found := sub.claim.Results()
	b, err := s.parseBundle(sub.whole)
	switch {
	case err != nil || !found:
		return "Nothing was changed."
	case b.Type == "batch":
		return "Some of its entries may have been carried out: look before you send it again."
	}
	return "The transaction was carried out."
}

// parseBundle reads a batch or transaction.
func (s *Server) parseBundle(body []byte) (*fhirbundle.Bundle, error) {
	b, err := fhirbundle.Parse(body, s.Limits.Entries)
	var told *fhir.Error
	if errors.As(err, &told) && told.Code() == fhir.CodeTooCostly {
		return nil, &httpError{status: http.StatusRequestEntityTooLarge, outcome: told}
	}
	return b, err
}

func jobFailed(status int, err *fhir.Error) job.Answer {
	return job.Answer{Status: status, Body: appendOutcome(nil, err.Issues)}
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
