package record_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

// model is what a Repository must be like: for each key what each version says,
// "" standing for a delete marker.
type model map[fhir.Key][]string

// commit gives what Commit must answer, and changes the model only when all
// goes well.
func (m model) commit(changes []fhir.Change) (want []string, code fhir.IssueCode) {
	next := make(model)
	for i, c := range changes {
		if slices.ContainsFunc(changes[:i], func(o fhir.Change) bool { return o.Method != fhir.Create && o.Key == c.Key }) {
			return nil, fhir.CodeInvalid
		}
	}
	for _, c := range changes {
		old := m[c.Key]
		exists := len(old) > 0 && old[len(old)-1] != ""
		if c.IfMatch != "" && c.IfMatch != strconv.Itoa(len(old)) || c.IfMatch != "" && len(old) == 0 || c.IfNoneMatch && exists {
			return nil, fhir.CodeConflict
		}
		says := says(c.Body)
		switch {
		case c.Method == fhir.Delete && !exists:
			want = append(want, "absent")
			continue
		case c.Method == fhir.Put && exists && old[len(old)-1] == says:
			want = append(want, fmt.Sprintf("unchanged %d", len(old)))
			continue
		case c.Method == fhir.Delete:
			says = ""
			want = append(want, fmt.Sprintf("deleted %d", len(old)+1))
		case exists:
			want = append(want, fmt.Sprintf("updated %d", len(old)+1))
		default:
			want = append(want, fmt.Sprintf("created %d", len(old)+1))
		}
		next[c.Key] = append(slices.Clone(old), says)
	}
	for key, versions := range next {
		m[key] = versions
	}
	return want, ""
}

// says gives the text of what content made.
func says(body []byte) string {
	_, rest, _ := strings.Cut(string(body), `"text":"`)
	text, _, _ := strings.Cut(rest, `"`)
	return text
}

func outcome(res fhir.Result) string {
	names := map[fhir.Status]string{fhir.Created: "created", fhir.Updated: "updated", fhir.Unchanged: "unchanged", fhir.Deleted: "deleted"}
	if res.Status == fhir.Absent {
		return "absent"
	}
	return names[res.Status] + " " + res.Resource.Version
}

// TestRepositoryIsLikeItsModel runs random changes, reads, histories and searches
// against a Repository and a map.
func TestRepositoryIsLikeItsModel(t *testing.T) {
	t.Parallel()
	for name, open := range backends.All() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := repository(t, open)
			prefix := 0
			rapid.Check(t, func(rt *rapid.T) {
				prefix++ // a fresh set of ids for each check, on one store
				run(t, rt, r, fmt.Sprintf("c%d-", prefix))
			})
		})
	}
}

func run(t *testing.T, rt *rapid.T, r *record.Repository, prefix string) {
	m := make(model)
	key := rapid.Custom(func(rt *rapid.T) fhir.Key {
		typ := rapid.SampledFrom([]fhir.Type{"Basic", "Flag"}).Draw(rt, "type")
		return fhir.Key{Type: typ, ID: prefix + rapid.SampledFrom([]string{"a", "a-", "A", "b"}).Draw(rt, "id")}
	})
	change := rapid.Custom(func(rt *rapid.T) fhir.Change {
		c := fhir.Change{Method: rapid.SampledFrom([]fhir.Method{fhir.Put, fhir.Put, fhir.Delete}).Draw(rt, "method"), Key: key.Draw(rt, "key")}
		if c.Method == fhir.Put {
			c.Body = fmt.Appendf(nil, `{"resourceType":%q,"code":{"text":%q}}`, c.Key.Type, rapid.SampledFrom([]string{"x", strings.Repeat("y", 500)}).Draw(rt, "text"))
			c.IfNoneMatch = rapid.IntRange(0, 9).Draw(rt, "ifNoneMatch") == 0
		}
		if rapid.IntRange(0, 3).Draw(rt, "conditional") == 0 {
			c.IfMatch = strconv.Itoa(rapid.IntRange(1, 4).Draw(rt, "ifMatch"))
		}
		return c
	})
	rt.Repeat(map[string]func(*rapid.T){
		"commit": func(rt *rapid.T) {
			changes := rapid.SliceOfN(change, 1, 3).Draw(rt, "changes")
			want, code := m.commit(changes)
			results, err := r.Commit(t.Context(), changes)
			if got := codeOf(err); got != code {
				rt.Fatalf("code %q (%v), want %q", got, err, code)
			}
			var got []string
			for _, res := range results {
				got = append(got, outcome(res))
			}
			if !slices.Equal(got, want) {
				rt.Fatalf("got %v, want %v", got, want)
			}
		},
		"read": func(rt *rapid.T) {
			k := key.Draw(rt, "key")
			checkRead(t, rt, r, k, m[k])
		},
		"history": func(rt *rapid.T) {
			k := key.Draw(rt, "key")
			if len(m[k]) == 0 {
				_, err := r.History(t.Context(), fhir.HistoryQuery{Key: k, Count: 1})
				wantCode(t, "no history", err, fhir.CodeNotFound)
				return
			}
			all, _ := history(t, r, fhir.HistoryQuery{Key: k, Count: rapid.IntRange(1, 4).Draw(rt, "count")})
			var got []string
			for _, res := range slices.Backward(all) {
				got = append(got, strings.Replace(text(t, res), "deleted", "", 1))
			}
			if !slices.Equal(got, m[k]) {
				rt.Fatalf("the history of %s is %q, want %q", k, got, m[k])
			}
		},
		"search": func(rt *rapid.T) {
			typ := rapid.SampledFrom([]fhir.Type{"Basic", "Flag"}).Draw(rt, "type")
			var or fhir.Or
			var want []string
			for _, s := range []string{"A", "a", "a-", "b"} {
				or = append(or, id(t, prefix+s))
				if v := m[fhir.Key{Type: typ, ID: prefix + s}]; len(v) > 0 && v[len(v)-1] != "" {
					want = append(want, prefix+s)
				}
			}
			byID := []fhir.SortKey{{Param: or[0].(fhir.Term).Param}}
			got := search(t, r, fhir.Query{Type: typ, Where: or, Sort: byID, Count: rapid.IntRange(1, 5).Draw(rt, "count")})
			if !slices.Equal(got, want) {
				rt.Fatalf("found %q, want %q", got, want)
			}
		},
	})
}

// checkRead reads the current version and each single one.
func checkRead(t *testing.T, rt *rapid.T, r *record.Repository, key fhir.Key, versions []string) {
	want := func(what string, res fhir.Resource, err error, says string) {
		rt.Helper()
		if says == "" {
			if codeOf(err) != fhir.CodeDeleted {
				rt.Fatalf("%s of %s: %v, want deleted", what, key, err)
			}
			return
		}
		if err != nil || text(t, res) != says {
			rt.Fatalf("%s of %s: %s, %v; want %s", what, key, res.Body, err, says)
		}
	}
	res, err := r.Read(t.Context(), key)
	if len(versions) == 0 {
		if codeOf(err) != fhir.CodeNotFound {
			rt.Fatalf("read of %s: %v, want not found", key, err)
		}
		return
	}
	want("read", res, err, versions[len(versions)-1])
	for i, says := range versions {
		res, err := r.Version(t.Context(), key, strconv.Itoa(i+1))
		want(fmt.Sprint("version ", i+1), res, err, says)
	}
}
