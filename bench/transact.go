package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

const (
	pair       = 2   // entries of a small transaction
	imported   = 200 // entries of a large one
	importers  = 4   // how many send large ones at once
	metricsURL = "http://%s/metrics"
)

// transactions measures small transactions by many clients, with how many of them
// shared one commit, and large ones by a few, counted by resource.
func (b *bench) transactions(ctx context.Context, write bool) error {
	small := fmt.Sprintf("a transaction that creates %d records of 1.5 kB, validated and durable, %d at once", pair, b.clients)
	large := fmt.Sprintf("a record of 1.5 kB within a transaction that creates %d, %d at once", imported, importers)
	if !write {
		for name, what := range map[string]string{nameTransact: small, nameImport: large} {
			if b.wants(name) {
				b.skip(name, what, "it would leave resources behind: allow it with --write")
			}
		}
		return nil
	}
	if b.wants(nameTransact) {
		before := b.commits(ctx)
		r, err := drive(ctx, b.options, b.clients, b.cpu, b.transact(pair))
		if err != nil {
			return fmt.Errorf("%s: %w", nameTransact, err)
		}
		r.Name, r.What = nameTransact, small
		if after := b.commits(ctx); after.commits > before.commits {
			r.Shared = (after.writes - before.writes) / (after.commits - before.commits)
		}
		b.rep.add(r)
	}
	if b.wants(nameImport) {
		r, err := drive(ctx, b.options, importers, b.cpu, b.transact(imported))
		if err != nil {
			return fmt.Errorf("%s: %w", nameImport, err)
		}
		r.Name, r.What = nameImport, large
		r.Ops, r.Rate, r.CPU = r.Ops*imported, r.Rate*imported, r.CPU/imported
		b.rep.add(r)
	}
	return nil
}

// transact posts a transaction of so many creations.
func (b *bench) transact(entries int) operation {
	return func(ctx context.Context, i int, buf *bytes.Buffer) error {
		body := []byte(`{"resourceType":"Bundle","type":"transaction","entry":[`)
		for n := range entries {
			if n > 0 {
				body = append(body, ',')
			}
			body = append(append(body, `{"resource":`...), condition(i*entries+n)...)
			body = append(body, `,"request":{"method":"POST","url":"`+recordType+`"}}`...)
		}
		if err := b.do(ctx, http.MethodPost, "", append(body, "]}"...), http.StatusOK, buf); err != nil {
			return err
		}
		if got := bytes.Count(buf.Bytes(), []byte(`"status":"201`)); got != entries {
			return fmt.Errorf("of %d entries %d were created: %.300s", entries, got, buf)
		}
		return nil
	}
}

// commits are the counters of a store.
type commits struct{ writes, commits float64 }

// commits reads the counters; zero where nobody tells.
func (b *bench) commits(ctx context.Context) (c commits) {
	if b.metrics == "" {
		return c
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf(metricsURL, b.metrics), http.NoBody)
	if err != nil {
		return c
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return c
	}
	defer func() { _ = resp.Body.Close() }()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.ParseFloat(value, 64)
		switch {
		case err != nil:
		case name == "portico_store_writes_total":
			c.writes = n
		case name == "portico_store_commits_total":
			c.commits = n
		}
	}
	return c
}
