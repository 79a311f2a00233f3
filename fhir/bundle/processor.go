package bundle

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/index"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/fhir/write"
)

// Processor carries out Bundles. It is safe for concurrent use.
type Processor struct {
	Writer *write.Writer
	Search *search.Parser
	// NewID makes the ids of what a transaction creates.
	NewID func() string
	// Base is the FHIR base URL that clients use; absolute URLs below it are ours.
	Base string
	// Indexer says what a search means, for conditional references to entries of
	// the same transaction.
	Indexer index.Indexer
	// Do carries out one request on its own.
	Do func(ctx context.Context, c Call) Answer
}

// Asks reports whether the entry asks for a resource: a read, a search in either
// form, an operation. What comes back is then no echo of what was sent.
func (e Entry) Asks() bool {
	if e.Request == nil {
		return false
	}
	path, _, _ := strings.Cut(e.Request.URL, "?")
	return order(e.Request.Method) == 3 || isSearch(e.Request) || strings.Contains(path, "$")
}

// Call is one request to be carried out on its own: that of the entry with this
// number. URL is relative to the base.
type Call struct {
	Entry       int
	Method, URL string
	Header      http.Header
	Body        []byte
}

// Answer is what became of an entry. Issues say why it failed, or what there is to
// say; Body is a resource.
type Answer struct {
	Status   int
	Key      fhir.Key // what was written, within a transaction
	Location string
	ETag     string // with its quotes
	Updated  time.Time
	Body     []byte
	Issues   []fhir.Issue
}

// maxAnswers is the most bytes that the answers of one Bundle may have together.
const maxAnswers = 64 << 20

// order is when an entry's turn comes (R4 3.1.0.11.2).
func order(method string) int {
	switch method {
	case http.MethodDelete:
		return 0
	case http.MethodPost:
		return 1
	case http.MethodPut, http.MethodPatch:
		return 2
	default:
		return 3
	}
}

// inOrder calls each for the entries as their turns come.
func inOrder(entries []Entry, each func(i int, e Entry)) {
	for turn := range 4 {
		for i, e := range entries {
			if e.Request != nil && order(e.Request.Method) == turn {
				each(i, e)
			}
		}
	}
}

// check reads what every entry must have.
func (p *Processor) check(i int, e Entry) error {
	switch {
	case e.Request == nil:
		return fhir.Errorf(fhir.CodeInvalid, at(i, ".request"), "The entry has no request: a method and a url.")
	case e.Request.URL == "":
		return fhir.Errorf(fhir.CodeInvalid, at(i, ".request.url"), "The request has no url.")
	}
	switch e.Request.Method {
	case http.MethodGet, http.MethodHead, http.MethodDelete:
		return nil
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		if e.Resource == nil && !strings.Contains(e.Request.URL, "/_search") && !strings.Contains(e.Request.URL, "$") {
			return fhir.Errorf(fhir.CodeInvalid, at(i, ".resource"), "The entry has no resource.")
		}
		return nil
	}
	return fhir.Errorf(fhir.CodeInvalid, at(i, ".request.method"), "The method must be GET, HEAD, POST, PUT, PATCH or DELETE.")
}

// below gives a url relative to the base.
func (p *Processor) below(url string) (string, bool) {
	url = strings.TrimPrefix(url, p.Base+"/")
	url = strings.TrimPrefix(url, "/")
	path, _, _ := strings.Cut(url, "?")
	return url, path != "" && !strings.Contains(path, ":") && !strings.HasPrefix(url, "/")
}

// Batch carries out the entries one by one and gives an answer for each.
func (p *Processor) Batch(ctx context.Context, b *Bundle) []Answer {
	answers := make([]Answer, len(b.Entries))
	for i, e := range b.Entries {
		if err := p.check(i, e); err != nil {
			answers[i] = refusal(err)
			b.Entries[i].Request = nil // it gets no turn
		}
	}
	size := 0
	inOrder(b.Entries, func(i int, e Entry) {
		if size > maxAnswers {
			answers[i] = refusal(fhir.Errorf(fhir.CodeTooCostly, at(i, ""), "The answers to the entries before have more than %d bytes together.", maxAnswers))
			return
		}
		answers[i] = p.alone(ctx, i, e)
		size += len(answers[i].Body)
	})
	return answers
}

// alone carries out one entry as a request of its own.
func (p *Processor) alone(ctx context.Context, i int, e Entry) Answer {
	if err := ctx.Err(); err != nil {
		return refusal(fhir.Errorf(fhir.CodeTimeout, at(i, ""), "The request took longer than this server allows before this entry had its turn."))
	}
	url, ok := p.below(e.Request.URL)
	if system := strings.HasPrefix(url, "?") && order(e.Request.Method) == 3; !ok && !system {
		return refusal(fhir.Errorf(fhir.CodeInvalid, at(i, ".request.url"), "The url must be relative to the base, as [type]/[id] or [type]?[parameters]."))
	}
	c := Call{Entry: i, Method: e.Request.Method, URL: url, Header: http.Header{}, Body: e.Resource}
	for name, value := range map[string]string{
		"If-None-Match": e.Request.IfNoneMatch, "If-Match": e.Request.IfMatch, "If-None-Exist": e.Request.IfNoneExist,
	} {
		if value != "" {
			c.Header.Set(name, value)
		}
	}
	if e.Request.IfModifiedSince != "" {
		when, err := time.Parse(time.RFC3339, e.Request.IfModifiedSince)
		if err != nil {
			return refusal(fhir.Errorf(fhir.CodeInvalid, at(i, ".request.ifModifiedSince"), "ifModifiedSince must be an instant."))
		}
		c.Header.Set("If-Modified-Since", when.UTC().Format(http.TimeFormat))
	}
	content := "application/fhir+json"
	if e.Request.Method == http.MethodPatch && kindOf(e.Resource) == "Binary" {
		var err error
		if content, c.Body, err = unpackBinary(e.Resource); err != nil {
			return refusal(within(i, err))
		}
	}
	if c.Body != nil {
		c.Header.Set("Content-Type", content)
	}
	a := p.Do(ctx, c)
	a.Issues = slices.Clone(a.Issues)
	for n := range a.Issues {
		a.Issues[n].Path = place(i, a.Issues[n].Path)
	}
	return a
}
