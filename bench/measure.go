package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// bench is one run against one server.
type bench struct {
	options
	*client
	cpu func() (time.Duration, bool) // of the server; nil: unknown
	rep *report
	// metrics is the address where the server tells its counters; empty: unknown.
	metrics string
}

// measure measures all single operations on a server.
func (b *bench) measure(ctx context.Context, write bool) error {
	if err := b.reads(ctx, write); err != nil {
		return err
	}
	if err := b.searches(ctx); err != nil {
		return err
	}
	if err := b.creates(ctx, write); err != nil {
		return err
	}
	return b.transactions(ctx, write)
}

// busy is how many clients read and search at once, beside one alone. That one
// has the server fall asleep and wake up for each request, which costs it more
// than a read does.
const busy = 8

// rows measures one operation by one client, and by several.
func (b *bench) rows(ctx context.Context, name, what string, op operation) error {
	if err := b.row(ctx, name, what, 1, op); err != nil {
		return err
	}
	return b.row(ctx, name, what, busy, op)
}

// row measures one operation and reports it.
func (b *bench) row(ctx context.Context, name, what string, clients int, op operation) error {
	r, err := drive(ctx, b.options, clients, b.cpu, op)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	r.Name, r.What = name, what
	b.rep.add(r)
	return nil
}

func (b *bench) skip(name, what, why string) {
	b.rep.add(row{Name: name, What: what, Skipped: why})
}

// reads measures reads by id of a record and of a resource of the EHR.
func (b *bench) reads(ctx context.Context, write bool) error {
	const what = "read a record of 1.5 kB by id"
	if b.wants(nameRead) {
		path, err := b.newRecord(ctx, write)
		switch {
		case err != nil:
			return err
		case path == "":
			b.skip(nameRead, what, "that writes a resource first: allow it with --write")
		default:
			if err := b.rows(ctx, nameRead, what, b.read(path)); err != nil {
				return err
			}
		}
	}
	if !b.wants(nameReadMapped) {
		return nil
	}
	ids, err := b.ids(ctx, "Observation?_count=1")
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		b.skip(nameReadMapped, "read an Observation by id", "there is no Observation")
		return nil
	}
	return b.rows(ctx, nameReadMapped, "read an Observation by id", b.read("Observation/"+ids[0]))
}

// newRecord creates the resource that is read, and gives its path.
func (b *bench) newRecord(ctx context.Context, write bool) (string, error) {
	if !write {
		return "", nil
	}
	var buf bytes.Buffer
	if err := b.do(ctx, http.MethodPost, recordType, condition(0), http.StatusCreated, &buf); err != nil {
		return "", err
	}
	var made struct{ ID string }
	if err := json.Unmarshal(buf.Bytes(), &made); err != nil || made.ID == "" {
		return "", fmt.Errorf("a create answers without the resource: %.300s", &buf)
	}
	return recordType + "/" + made.ID, nil
}

// read reads path and expects the same answer each time.
func (b *bench) read(path string) operation {
	want := fmt.Appendf(nil, "%q", path[strings.IndexByte(path, '/')+1:])
	return func(ctx context.Context, _ int, buf *bytes.Buffer) error {
		if err := b.do(ctx, http.MethodGet, path, nil, http.StatusOK, buf); err != nil {
			return err
		}
		if !bytes.Contains(buf.Bytes(), want) {
			return fmt.Errorf("the answer to a read of %s has another id: %.300s", path, buf)
		}
		return nil
	}
}

// bundle is what bench looks at in a search's answer.
type bundle struct {
	Entry []struct {
		Resource struct {
			ID   string
			Code struct {
				Coding []struct{ System, Code string }
			}
		}
	}
}

func (b *bench) search(ctx context.Context, query string) (bundle, error) {
	var buf bytes.Buffer
	var found bundle
	if err := b.do(ctx, http.MethodGet, query, nil, http.StatusOK, &buf); err != nil {
		return found, err
	}
	if err := json.Unmarshal(buf.Bytes(), &found); err != nil {
		return found, fmt.Errorf("%s: %w", query, err)
	}
	return found, nil
}

func (b *bench) ids(ctx context.Context, query string) ([]string, error) {
	found, err := b.search(ctx, query)
	var ids []string
	for _, e := range found.Entry {
		ids = append(ids, e.Resource.ID)
	}
	return ids, err
}

// The page sizes of the two searches.
const (
	pageSize   = 20
	sortedSize = 10
)

// searches measures the searches of a patient's chart, over several patients
// in turn.
func (b *bench) searches(ctx context.Context) error {
	const (
		what       = "Observation?patient=X&_count=20"
		whatSorted = "Observation?patient=X&code=Y&_sort=-date&_count=10"
	)
	if !b.wants(nameSearch) && !b.wants(nameSearchSorted) {
		return nil
	}
	full, sorted, err := b.queries(ctx)
	if err != nil {
		return err
	}
	for _, m := range []struct {
		name, what string
		queries    []string
		entries    int
	}{{nameSearch, what, full, pageSize}, {nameSearchSorted, whatSorted, sorted, sortedSize}} {
		if !b.wants(m.name) {
			continue
		}
		if len(m.queries) == 0 {
			b.skip(m.name, m.what, fmt.Sprintf("there is no patient with %d such Observations, or this search is not supported", m.entries))
			continue
		}
		err := b.rows(ctx, m.name, m.what, func(ctx context.Context, i int, buf *bytes.Buffer) error {
			query := m.queries[i%len(m.queries)]
			if err := b.do(ctx, http.MethodGet, query, nil, http.StatusOK, buf); err != nil {
				return err
			}
			if got := bytes.Count(buf.Bytes(), []byte(`"fullUrl"`)); got != m.entries {
				return fmt.Errorf("%s finds %d, not %d", query, got, m.entries)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// queries finds patients with enough Observations for a full page, and for each
// a code that fills the page of the sorted search.
func (b *bench) queries(ctx context.Context) (full, sorted []string, err error) {
	patients, err := b.ids(ctx, "Patient?_count=40")
	if err != nil {
		return nil, nil, err
	}
	for _, p := range patients {
		query := "Observation?patient=" + url.QueryEscape(p)
		found, err := b.search(ctx, query+"&_count=20")
		if err != nil {
			return nil, nil, err
		}
		if len(found.Entry) < pageSize {
			continue
		}
		full = append(full, query+"&_count=20")
		tried := make(map[string]bool)
		for _, e := range found.Entry {
			if len(e.Resource.Code.Coding) == 0 {
				continue
			}
			c := e.Resource.Code.Coding[0]
			q := query + "&code=" + url.QueryEscape(c.System+"|"+c.Code) + "&_sort=-date&_count=10"
			if tried[q] {
				continue
			}
			tried[q] = true
			ids, err := b.ids(ctx, q)
			if _, refused := errors.AsType[*statusError](err); refused {
				break
			}
			if err != nil {
				return nil, nil, err
			}
			if len(ids) == sortedSize {
				sorted = append(sorted, q)
				break
			}
		}
	}
	return full, sorted, nil
}

// creates measures validated, durable creates by one client and by many.
func (b *bench) creates(ctx context.Context, write bool) error {
	create := func(ctx context.Context, i int, buf *bytes.Buffer) error {
		if err := b.do(ctx, http.MethodPost, recordType, condition(i), http.StatusCreated, buf); err != nil {
			return err
		}
		if buf.Len() == 0 {
			return errors.New("a create answers without the resource")
		}
		return nil
	}
	for _, m := range []struct {
		name    string
		clients int
	}{{nameCreate, 1}, {nameCreateMany, b.clients}} {
		what := fmt.Sprintf("create a record of 1.5 kB, validated and durable, %d at once", m.clients)
		if !b.wants(m.name) {
			continue
		}
		if !write {
			b.skip(m.name, what, "it would leave resources behind: allow it with --write")
			continue
		}
		if err := b.row(ctx, m.name, what, m.clients, create); err != nil {
			return err
		}
	}
	return nil
}
