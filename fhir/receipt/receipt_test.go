package receipt_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/receipt"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

// clock is the machine's, some time later.
type clock struct {
	mu    sync.Mutex
	later time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.later)
}

var one, other = sha256.Sum256([]byte("one")), sha256.Sum256([]byte("other"))

func codeOf(err error) fhir.IssueCode {
	var told *fhir.Error
	if errors.As(err, &told) {
		return told.Code()
	}
	return ""
}

func claim(t *testing.T, b *receipt.Book, caller, key string) *receipt.Claim {
	t.Helper()
	c, err := b.Claim(t.Context(), caller, key, one)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// every is all kinds of results.
func every() []fhir.Result {
	at := time.Date(2026, 3, 4, 5, 6, 7, 890e6, time.UTC)
	return []fhir.Result{
		{Status: fhir.Created, Resource: fhir.Resource{Key: fhir.Key{Type: "Patient", ID: "-"}, Version: "1", Updated: at}},
		{Status: fhir.Deleted, Resource: fhir.Resource{Key: fhir.Key{Type: "Patient", ID: "--"}, Version: "2", Updated: at, Deleted: true}},
		{Status: fhir.Absent, Resource: fhir.Resource{Key: fhir.Key{Type: "Basic"}}},
	}
}

func TestG2_11_AReceiptIsForOneCallerAndOneRequest(t *testing.T) {
	t.Parallel()
	backends.Each(t, func(t *testing.T, _ string, st store.Store) {
		b := &receipt.Book{Store: st}
		c := claim(t, b, "amy", "k")
		if _, found := c.Results(); found {
			t.Fatal("a receipt of what never was")
		}
		if _, err := b.Claim(t.Context(), "amy", "k", one); codeOf(err) != fhir.CodeLocked {
			t.Errorf("G2.11 the same while it is under way: %v", err)
		}
		if err := c.Keep(t.Context(), every()); err != nil {
			t.Fatal(err)
		}
		c.Release()
		again := claim(t, &receipt.Book{Store: st}, "amy", "k")
		got, found := again.Results()
		if diff := cmp.Diff(every(), got); !found || diff != "" {
			t.Errorf("G2.11 the receipt says %s", diff)
		}
		again.Release()
		if _, err := b.Claim(t.Context(), "amy", "k", other); codeOf(err) != fhir.CodeBusinessRule {
			t.Errorf("G2.11 another request: %v", err)
		}
		for _, who := range [][2]string{{"tom", "k"}, {"amy", "l"}, {"", "amyk"}, {"am", "yk"}} {
			c := claim(t, b, who[0], who[1])
			if _, found := c.Results(); found {
				t.Errorf("G2.11 %q sees the receipt of another", who)
			}
			c.Release()
		}
	})
}

func TestG2_11_AReceiptIsGoodForADay(t *testing.T) {
	t.Parallel()
	backends.Each(t, func(t *testing.T, _ string, st store.Store) {
		clock := &clock{}
		b := &receipt.Book{Store: st, Now: clock.now}
		c := claim(t, b, "", "k")
		if err := c.Keep(t.Context(), every()); err != nil {
			t.Fatal(err)
		}
		c.Release()
		clock.later = receipt.Keep - time.Hour
		if _, err := b.Claim(t.Context(), "", "k", other); codeOf(err) != fhir.CodeBusinessRule {
			t.Errorf("short of a day later: %v", err)
		}
		clock.later = receipt.Keep + time.Hour
		c, err := b.Claim(t.Context(), "", "k", other)
		if err != nil {
			t.Fatalf("more than a day later: %v", err)
		}
		if _, found := c.Results(); found {
			t.Error("more than a day later the receipt is still good")
		}
		if err := c.Keep(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if err := c.Again(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, found := c.Results(); !found || len(got) != 0 {
			t.Errorf("the new receipt says %v, %v", got, found)
		}
	})
}

// TestG2_11_TheReceiptIsPartOfTheWrite has two nodes carry out one request at the same
// time: neither knows of the other.
func TestG2_11_TheReceiptIsPartOfTheWrite(t *testing.T) {
	t.Parallel()
	backends.Each(t, func(t *testing.T, _ string, st store.Store) {
		repo := &record.Repository{Store: st}
		create := []fhir.Change{{Method: fhir.Create, Key: fhir.Key{Type: "Basic"}, Body: []byte(`{"resourceType":"Basic"}`)}}
		claims := []*receipt.Claim{claim(t, &receipt.Book{Store: st}, "", "k"), claim(t, &receipt.Book{Store: st}, "", "k")}
		var made []fhir.Result
		for i, c := range claims {
			results, err := repo.Commit(c.Beside(context.WithoutCancel(t.Context()), func(r []fhir.Result) []fhir.Result { return r }), create)
			switch {
			case i == 0 && err != nil:
				t.Fatal(err)
			case i == 0:
				made = results
			case !receipt.Taken(err):
				t.Errorf("G2.11 the slower one: %v", err)
			}
		}
		if err := claims[1].Again(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, _ := claims[1].Results()
		if len(got) != 1 || got[0].Resource.Key != made[0].Resource.Key || got[0].Status != fhir.Created {
			t.Errorf("G2.11 the receipt says %+v, made was %+v", got, made)
		}
		page, err := repo.Search(t.Context(), &fhir.Query{Type: "Basic", Count: 10})
		if err != nil || len(page.Resources) != 1 {
			t.Errorf("G2.11 %d resources, %v", len(page.Resources), err)
		}
		part, err := claims[0].Part(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, found := part.Results(); found {
			t.Error("a part has the receipt of the whole")
		}
	})
}
