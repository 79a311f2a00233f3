package promises

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// account is all that a server has: of each resource what its versions say, from
// the first, "" for a delete marker.
type account map[string][]string

// take reads the histories of the types that writers write.
func take(t testing.TB, c *client) account {
	t.Helper()
	all := account{}
	for _, kind := range []string{"Basic", "Observation"} {
		c.pages(t, kind+"/_history?_count=1000", func(b bundle) {
			for _, e := range b.Entry {
				key, text := e.Resource.key(), e.Resource.Code.Text
				if e.Request.Method == http.MethodDelete {
					key, text = e.Request.URL, ""
				}
				n, err := strconv.Atoi(strings.Trim(e.Response.Etag, `W/"`))
				if err != nil || n < 1 {
					t.Errorf("%s: etag %q", key, e.Response.Etag)
					continue
				}
				for len(all[key]) < n {
					all[key] = append(all[key], missing)
				}
				if all[key][n-1] != missing {
					t.Errorf("%s has two versions %d", key, n)
				}
				all[key][n-1] = text
			}
		})
	}
	return all
}

// missing stands in the place of a version that no page showed.
const missing = "?"

// compare wants everything in the ledger to be there, nothing that nobody attempted,
// and of what was not answered all or nothing.
func (a account) compare(t testing.TB, l *ledger, facts []fact) {
	t.Helper()
	deletes := map[string]int{} // acknowledged
	for _, f := range facts {
		want := f.Token
		if f.Deleted {
			want = ""
			deletes[f.Token]++
		}
		n, _ := strconv.Atoi(f.Version)
		if n < 1 || n > len(a[f.Key]) || a[f.Key][n-1] != want {
			t.Errorf("P1 %s version %s was acknowledged with %q, and is %q", f.Key, f.Version, want, a[f.Key])
		}
	}
	versions := map[string]int{}
	for key, said := range a {
		for i, token := range said {
			switch {
			case token == missing:
				t.Errorf("P4 version %d of %s is missing: %q", i+1, key, said)
			case token != "" && l.attempts[token] == 0:
				t.Errorf("version %d of %s says what nobody sent: %q", i+1, key, token)
			case token != "":
				versions[token]++
			}
		}
	}
	for token, n := range versions {
		if n != l.attempts[token] {
			t.Errorf("P2 of %d versions of the write %q there are %d", l.attempts[token], token, n)
		}
	}
}

// searched wants each resource to be found by what its current version says and by
// nothing that an older one said, and counted once.
func (a account) searched(t testing.TB, c *client, l *ledger) {
	t.Helper()
	want := map[string]string{}
	for key, said := range a {
		if now := said[len(said)-1]; now != "" {
			want[key] = now
		}
	}
	tokens := make([]string, 0, len(l.attempts))
	for token := range l.attempts {
		tokens = append(tokens, system+"|"+token)
	}
	found, counted := map[string]string{}, map[string]int{}
	for _, kind := range []string{"Basic", "Observation"} {
		for chunk := range slices.Chunk(tokens, 40) {
			c.pages(t, kind+"?_count=1000&identifier="+url.QueryEscape(strings.Join(chunk, ",")), func(b bundle) {
				for _, e := range b.Entry {
					if _, twice := found[e.Resource.key()]; twice {
						t.Errorf("%s is found twice", e.Resource.key())
					}
					found[e.Resource.key()] = e.Resource.Identifier[0].Value
					counted[kind]++
				}
			})
		}
		var total bundle
		c.must(t, http.StatusOK, http.MethodGet, kind+"?_summary=count", "").into(t, &total)
		if total.Total == nil || *total.Total != counted[kind] {
			t.Errorf("the total of %s is %v, and %d are found", kind, total.Total, counted[kind])
		}
	}
	for key, token := range want {
		if found[key] != token {
			t.Errorf("P1 %s says %q, and is found by %q", key, token, found[key])
		}
	}
	for key, token := range found {
		if want[key] == "" {
			t.Errorf("%s is found by %q, and is not there", key, token)
		}
	}
}

// spot reads the last facts of the ledger one by one.
func spot(t testing.TB, c *client, facts []fact) {
	t.Helper()
	for _, f := range facts {
		want := http.StatusOK
		if f.Deleted {
			want = http.StatusGone
		}
		a := c.must(t, want, http.MethodGet, f.Key+"/_history/"+f.Version, "")
		if want == http.StatusOK && !strings.Contains(string(a.body), fmt.Sprintf("%q", f.Token)) {
			t.Errorf("P4 %s version %s was acknowledged with %q, and is %s", f.Key, f.Version, f.Token, a.body)
		}
	}
}
