package promises

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portico-fhir/portico/conformance/program"
	"github.com/portico-fhir/portico/internal/patience"
)

// TestReadersInBetween reads two resources in turn, in both orders, while
// transactions count both up: the one that is read later is never behind.
func TestReadersInBetween(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, flags []string) {
		s := program.Start(t, binary, flags...)
		put := func(c *client, n int) (answer, error) {
			text := strconv.Itoa(n)
			return c.send(t.Context(), http.MethodPost, "", transaction(
				entry(http.MethodPut, "Basic/pair", content("Basic", "pair", text)),
				entry(http.MethodPut, "Observation/pair", content("Observation", "pair", text))))
		}
		c := newClient(s.Base)
		defer c.close()
		if a, err := put(c, 0); err != nil || !a.ok() {
			t.Fatalf("%v %d %s", err, a.status, a.body)
		}
		t.Run("G4.11 P2 a transaction becomes visible at once", func(t *testing.T) {
			const enough, rounds = 20, 60
			var wg sync.WaitGroup
			var reads atomic.Int64
			var over atomic.Bool
			for range 4 {
				reader := newClient(s.Base)
				defer reader.close()
				wg.Go(func() {
					for last := 0; !over.Load() && !t.Failed(); reads.Add(1) {
						last = readPair(t, reader, last)
					}
				})
			}
			began := time.Now()
			for written := 0; (written < enough || reads.Load() < rounds) && !t.Failed(); written++ {
				if a, err := put(c, written+1); err != nil || !a.ok() {
					t.Errorf("%v %d %s", err, a.status, a.body)
				}
				if time.Since(began) > patience.Limit {
					t.Errorf("only %d transactions and %d rounds of reads in %v", written, reads.Load(), patience.Limit)
				}
			}
			over.Store(true)
			wg.Wait()
		})
	})
}

// readPair reads both resources again and again, by read and by search, and gives
// the last number. It was at least last before.
func readPair(t *testing.T, c *client, last int) int {
	for _, path := range []string{"Basic/pair", "Observation/pair", "Basic?_id=pair", "Observation?_id=pair", "Basic/pair", "Observation?identifier=" + system + "|"} {
		a, err := c.send(t.Context(), http.MethodGet, path, "")
		if err != nil || a.status != http.StatusOK {
			t.Errorf("%s: %v, %d", path, err, a.status)
			return last
		}
		var one basic
		var found bundle
		a.into(t, &found)
		if len(found.Entry) == 1 {
			one = found.Entry[0].Resource
		} else {
			a.into(t, &one)
		}
		n, err := strconv.Atoi(one.Code.Text)
		if err != nil || n < last {
			t.Errorf("%s says %q behind %d: half a transaction, or one that was taken back", path, one.Code.Text, last)
		}
		last = max(last, n)
	}
	return last
}

// TestTransfers moves units between accounts, each move one transaction on what was
// read: what comes out is as if they had come one after the other.
func TestTransfers(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, flags []string) {
		s := program.Start(t, binary, flags...)
		c := newClient(s.Base)
		defer c.close()
		const accounts, units, moves = 3, 100, 8
		key := func(i int) string { return fmt.Sprint("Basic/account-", i%accounts) }
		full := func(i, n int) string { return content("Basic", fmt.Sprint("account-", i%accounts), strconv.Itoa(n)) }
		for i := range accounts {
			c.must(t, http.StatusCreated, http.MethodPut, key(i), full(i, units))
		}
		t.Run("G4.11 G4.5 P3 transactions on the same resources are carried out one after the other", func(t *testing.T) {
			read := func(c *client, i int) (n int, version string) {
				var b basic
				c.must(t, http.StatusOK, http.MethodGet, key(i), "").into(t, &b)
				n, err := strconv.Atoi(b.Code.Text)
				if err != nil {
					t.Error(err)
				}
				return n, fmt.Sprintf(`W/\"%s\"`, b.Meta.VersionID)
			}
			var wg sync.WaitGroup
			for mover := range 4 {
				c := newClient(s.Base)
				defer c.close()
				wg.Go(func() {
					for done := 0; done < moves; {
						from, to := mover+done, mover+done+1
						a, vA := read(c, from)
						b, vB := read(c, to)
						got, err := c.send(t.Context(), http.MethodPost, "", transaction(
							entry(http.MethodPut, key(from), full(from, a-1), "ifMatch", vA), entry(http.MethodPut, key(to), full(to, b+1), "ifMatch", vB)))
						switch {
						case err == nil && got.ok():
							done++
						case err != nil || got.status != http.StatusPreconditionFailed:
							t.Errorf("%v %d %s", err, got.status, got.body)
							return
						}
					}
				})
			}
			wg.Wait()
			sum, versions := 0, 0
			for i := range accounts {
				n, _ := read(c, i)
				sum += n
				versions += len(take(t, c)[key(i)]) - 1
			}
			if sum != accounts*units || versions != 2*4*moves {
				t.Errorf("%d units of %d, after %d updates of %d", sum, accounts*units, versions, 2*4*moves)
			}
		})
	})
}
