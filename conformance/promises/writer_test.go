package promises

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

// system is that of the identifiers that the tests search by.
const system = "http://promises.example"

// content is a resource whose text and identifier are the token.
func content(kind, id, token string) string {
	more := ""
	if kind == "Observation" {
		more = `"status":"final",`
	}
	if id != "" {
		more += fmt.Sprintf(`"id":%q,`, id)
	}
	return fmt.Sprintf(`{"resourceType":%q,%s"identifier":[{"system":%q,"value":%q}],"code":{"text":%q}}`, kind, more, system, token, token)
}

// entry is one of a transaction.
func entry(method, url, resource string, more ...string) string {
	if resource != "" {
		resource = `"resource":` + resource + ","
	}
	for i := 0; i < len(more); i += 2 {
		url += fmt.Sprintf(`","%s":"%s`, more[i], more[i+1])
	}
	return fmt.Sprintf(`{%s"request":{"method":%q,"url":"%s"}}`, resource, method, url)
}

func transaction(entries ...string) string {
	return `{"resourceType":"Bundle","type":"transaction","entry":[` + strings.Join(entries, ",") + `]}`
}

// writer is a client that writes resources of its own, and keeps account.
type writer struct {
	number int
	ledger *ledger
	keys   []string // resources whose state is certain
	// retry sends again what was not answered and may be sent again.
	retry request
}

// request sends something and reports whether it was answered.
type request func(ctx context.Context, t testing.TB, c *client) bool

// work writes until the server does not answer any more, or refuses to.
func (w *writer) work(ctx context.Context, t testing.TB, c *client) {
	for ctx.Err() == nil && w.step(ctx, t, c) {
	}
}

// step does one write. It reports whether it was answered.
func (w *writer) step(ctx context.Context, t testing.TB, c *client) bool {
	if w.retry != nil {
		return w.again(ctx, t, c)
	}
	i := rand.IntN(100)
	switch {
	case i < 10 || len(w.keys) < 3:
		token := w.ledger.attempt(w.number, 1)
		return w.one(ctx, t, c, token, http.MethodPost, "Basic", content("Basic", "", token))
	case i < 20:
		token := w.ledger.attempt(w.number, 1)
		w.retry = w.create(token, "If-None-Exist", "identifier="+system+"|"+token)
		return w.again(ctx, t, c)
	case i < 30:
		token := w.ledger.attempt(w.number, 1)
		w.retry = w.create(token, "Idempotency-Key", token)
		return w.again(ctx, t, c)
	case i < 40:
		return w.transaction("")(ctx, t, c)
	case i < 50:
		w.retry = w.transaction(fmt.Sprint("transaction-", w.number, "-", rand.Uint64()))
		return w.again(ctx, t, c)
	}
	key := w.pick()
	token := w.ledger.attempt(w.number, 1)
	kind, id, _ := strings.Cut(key, "/")
	var ok bool
	switch {
	case i < 70:
		ok = w.one(ctx, t, c, token, http.MethodPut, key, content(kind, id, token))
	case i < 90:
		patch := fmt.Sprintf(`[{"op":"replace","path":"/code/text","value":%q},{"op":"replace","path":"/identifier/0/value","value":%[1]q}]`, token)
		ok = w.one(ctx, t, c, token, http.MethodPatch, key, patch, "Content-Type", "application/json-patch+json")
	default:
		ok = w.one(ctx, t, c, token, http.MethodDelete, key, "")
		if ok { // and it comes back
			token = w.ledger.attempt(w.number, 1)
			ok = w.one(ctx, t, c, token, http.MethodPut, key, content(kind, id, token))
		}
	}
	return ok
}

// pick takes a resource out of those that are certain.
func (w *writer) pick() string {
	i := rand.IntN(len(w.keys))
	key := w.keys[i]
	w.keys = append(w.keys[:i], w.keys[i+1:]...)
	return key
}

// one sends a write of one version and notes what came of it.
func (w *writer) one(ctx context.Context, t testing.TB, c *client, token, method, path, body string, headers ...string) bool {
	a, err := c.send(ctx, method, path, body, headers...)
	if err != nil || a.later() {
		return false
	}
	if !a.ok() {
		t.Errorf("%s %s: %d: %.300s", method, path, a.status, a.body)
		return false
	}
	f := fact{Key: path, Version: strings.Trim(a.header.Get("Etag"), `W/"`), Token: token, Deleted: method == http.MethodDelete}
	if method == http.MethodPost {
		f.Key, _ = made(a.header.Get("Location"))
	}
	w.ledger.write(t, f)
	if !f.Deleted {
		w.keys = append(w.keys, f.Key)
	}
	return true
}

// again sends what may be sent again, until it is answered.
func (w *writer) again(ctx context.Context, t testing.TB, c *client) bool {
	ok := w.retry(ctx, t, c)
	if ok {
		w.retry = nil
	}
	return ok
}

// create is a creation with a header that lets it be repeated.
func (w *writer) create(token string, header ...string) request {
	return func(ctx context.Context, t testing.TB, c *client) bool {
		return w.one(ctx, t, c, token, http.MethodPost, "Basic", content("Basic", "", token), header...)
	}
}

// transaction is one that creates, updates and deletes. With a key it may be repeated.
func (w *writer) transaction(key string) request {
	const versions = 4
	token := w.ledger.attempt(w.number, versions)
	a, b, gone := w.pick(), w.pick(), w.pick()
	put := func(key string) string {
		kind, id, _ := strings.Cut(key, "/")
		return entry(http.MethodPut, key, content(kind, id, token))
	}
	body := transaction(put(a), entry(http.MethodPost, "Observation", content("Observation", "", token)), put(b),
		entry(http.MethodDelete, gone, ""), entry(http.MethodPost, "Basic", content("Basic", "", token)))
	var headers []string
	if key != "" {
		headers = []string{"Idempotency-Key", key}
	}
	return func(ctx context.Context, t testing.TB, c *client) bool {
		answer, err := c.send(ctx, http.MethodPost, "", body, headers...)
		if err != nil || answer.later() {
			return false
		}
		var made bundle
		if err := json.Unmarshal(answer.body, &made); err != nil || !answer.ok() || len(made.Entry) != versions+1 {
			t.Errorf("transaction: %d: %.300s", answer.status, answer.body)
			return false
		}
		w.ledger.write(t, w.facts(made, token, gone)...)
		return true
	}
}

// facts are those that the answer to a transaction acknowledges.
func (w *writer) facts(b bundle, token, gone string) []fact {
	var facts []fact
	for _, e := range b.Entry {
		f := fact{Token: token, Key: gone, Version: strings.Trim(e.Response.Etag, `W/"`), Deleted: e.Response.Location == ""}
		if !f.Deleted {
			f.Key, _ = made(e.Response.Location)
			w.keys = append(w.keys, f.Key)
		}
		facts = append(facts, f)
	}
	return facts
}
