package promises

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/conformance/program"
	"github.com/portico-fhir/portico/internal/patience"
)

// TestStoppedUnderLoad asks the server to end while clients write. All that it
// acknowledged is there afterwards, and nothing that it did not answer.
func TestStoppedUnderLoad(t *testing.T) {
	t.Parallel()
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	for name, flags := range map[string]func(testing.TB) []string{"P7 sqlite": onSQLite, "P7 mongodb": onMongoDB} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, flags := newLedger(t), flags(t)
			crew := make([]*writer, writers)
			for i := range crew {
				crew[i] = &writer{number: i, ledger: l}
			}
			for range rounds {
				s := program.Start(t, binary, flags...)
				end := writeSome(t.Context(), t, s, l, crew)
				time.Sleep(rand.N(300 * time.Millisecond))
				s.Stop(t)
				end()
			}
			s := program.Start(t, binary, flags...)
			look(t, s, l, 0, true)
			answered := map[string]bool{}
			for _, f := range l.read(t) {
				answered[f.Token] = true
			}
			c := newClient(s.Base)
			defer c.close()
			for key, said := range take(t, c) {
				for _, token := range said {
					if token != "" && !answered[token] {
						t.Errorf("%s says %q, which was carried out and not answered", key, token)
					}
				}
			}
			if len(answered) < 5*rounds {
				t.Errorf("only %d writes were answered: the test shows nothing", len(answered))
			}
		})
	}
}

// slowly sends the beginning of a creation over a connection of its own, when the
// server has begun to read it. The rest is finish's to send; wait reads the answer.
func slowly(t *testing.T, s *program.Server) (finish func(), wait func() (*http.Response, error)) {
	t.Helper()
	address := strings.TrimSuffix(strings.TrimPrefix(s.Base, "http://"), "/fhir")
	conn, err := net.DialTimeout("tcp", address, patience.Limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience.Limit)); err != nil {
		t.Fatal(err)
	}
	body := content("Basic", "", "slow")
	write := func(text string) {
		if _, err := io.WriteString(conn, text); err != nil {
			t.Error(err)
		}
	}
	write(fmt.Sprintf("POST /fhir/Basic HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/fhir+json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", len(body)))
	in := bufio.NewReader(conn)
	if res, err := http.ReadResponse(in, nil); err != nil || res.StatusCode != http.StatusContinue {
		t.Fatalf("to go on it says %v, %v", res, err)
	}
	write(body[:20])
	return func() { write(body[20:]) }, func() (*http.Response, error) { return http.ReadResponse(in, nil) }
}

func TestStoppedWhileABodyIsOnItsWay(t *testing.T) {
	t.Parallel()
	t.Run("P7 what arrives in time is carried out", func(t *testing.T) {
		t.Parallel()
		flags := onSQLite(t)
		s := program.Start(t, binary, flags...)
		finish, wait := slowly(t, s)
		s.Terminate(t)
		if !patience.Until(func() bool {
			_, err := newClient(s.Base).send(t.Context(), http.MethodGet, "metadata", "")
			return err != nil
		}) {
			t.Error("new connections are still answered")
		}
		finish()
		res, err := wait()
		if err != nil || res.StatusCode != http.StatusCreated {
			t.Fatalf("got %v, %v", res, err)
		}
		s.AwaitEnd(t)
		key, version := made(res.Header.Get("Location"))
		s = program.Start(t, binary, flags...)
		newClient(s.Base).must(t, http.StatusOK, http.MethodGet, key+"/_history/"+version, "")
	})
	t.Run("P7 what does not is refused, and the server ends", func(t *testing.T) {
		t.Parallel()
		s := program.Start(t, binary, append(onSQLite(t), program.Config(t, "http.drain-timeout", "500ms")...)...)
		_, wait := slowly(t, s)
		began := time.Now()
		s.Terminate(t)
		res, err := wait()
		if err != nil || res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
			t.Errorf("got %v, %v", res, err)
		}
		s.AwaitEnd(t)
		if took := time.Since(began); took < 400*time.Millisecond {
			t.Errorf("ended after %v, without waiting", took)
		}
	})
	t.Run("P7 a body that does not come is not waited for forever", func(t *testing.T) {
		t.Parallel()
		// Time enough for the server to begin to read the body.
		s := program.Start(t, binary, append(onSQLite(t), program.Config(t, "http.timeout", "10s")...)...)
		_, wait := slowly(t, s)
		if res, err := wait(); err != nil || res.StatusCode != http.StatusGatewayTimeout {
			t.Errorf("got %v, %v", res, err)
		}
	})
}

// TestOverload sends far more at once than the server takes. Each request is carried
// out or told to come back; what was acknowledged is there, and when the
// flood is over all is as before.
func TestOverload(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string]func(testing.TB) []string{"P7 sqlite": onSQLite, "P7 mongodb": onMongoDB} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := program.Start(t, binary, append(flags(t), program.Config(t, "http.max-in-flight", "4")...)...)
			c := newClient(s.Base)
			defer c.close()
			c.must(t, http.StatusCreated, http.MethodPut, "Basic/first", content("Basic", "first", "first"))
			done, refused := map[string]bool{}, 0
			began := time.Now()
			for round := 0; round < 5 || (len(done) == 0 || refused == 0) && time.Since(began) < patience.Limit; round++ {
				answers := together(t, []string{s.Base}, func(i int, c *client) (answer, error) {
					token := fmt.Sprintf("flood-%d-%d", round, i)
					return c.send(t.Context(), http.MethodPut, "Basic/"+token, content("Basic", token, token))
				})
				for i, a := range answers {
					switch {
					case a.later():
						refused++
					case a.ok():
						done[fmt.Sprintf("Basic/flood-%d-%d", round, i)] = true
					default:
						t.Errorf("%d %.300s", a.status, a.body)
					}
				}
			}
			t.Logf("%d carried out, %d refused", len(done), refused)
			if len(done) == 0 || refused == 0 {
				t.Errorf("%d were carried out, %d refused: no overload", len(done), refused)
			}
			all := take(t, c)
			if len(all) != len(done)+1 {
				t.Errorf("%d resources, %d acknowledged", len(all), len(done)+1)
			}
			for key := range done {
				if len(all[key]) != 1 {
					t.Errorf("%s was acknowledged and has the versions %q", key, all[key])
				}
			}
			c.must(t, http.StatusOK, http.MethodPut, "Basic/first", content("Basic", "first", "second"))
		})
	}
}
