package promises

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portico-fhir/portico/conformance/program"
	"github.com/portico-fhir/portico/internal/patience"
)

// What the server of TestMemory is allowed: far less than what is sent to it.
const (
	memory    = 384 << 20
	maxBody   = 4 << 20
	maxBundle = 8 << 20
)

// TestMemory sends what is meant to fill the server's memory, of which it may have so
// much and no more. It answers all the same, and serves afterwards.
func TestMemory(t *testing.T) {
	t.Parallel()
	for name, attack := range attacks() {
		t.Run("P6 "+name, func(t *testing.T) {
			// What the collector does not come to in time, on a busy machine, is chance; what the
			// server holds is not, and is as much each time.
			for try := 1; ; try++ {
				peak := attacked(t, attack)
				t.Logf("took %d MB", peak>>20)
				if peak <= memory {
					return
				}
				if try == 3 {
					t.Fatalf("it may have %d MB", memory>>20)
				}
			}
		})
	}
}

// attacked gives how much memory a new server takes under an attack, behind which it serves
// as before.
func attacked(t *testing.T, attack func(*testing.T, *program.Server)) (peak int) {
	t.Helper()
	limits := program.Config(t, "memory", fmt.Sprint(memory), "http.max-body", fmt.Sprint(maxBody), "http.max-bundle", fmt.Sprint(maxBundle))
	s := program.Start(t, binary, append(onSQLite(t), limits...)...)
	c := newClient(s.Base)
	defer c.close()
	c.must(t, http.StatusCreated, http.MethodPut, "Basic/before", content("Basic", "before", "before"))
	stop := s.Watch(t)
	attack(t, s)
	peak = stop()
	var a answer
	var err error
	if !patience.Until(func() bool {
		a, err = c.send(t.Context(), http.MethodPut, "Basic/after", content("Basic", "after", "after"))
		return err == nil && a.ok()
	}) {
		t.Fatalf("does not serve any more: %v %d", err, a.status)
	}
	s.Stop(t)
	return peak
}

// flood has so many clients send a request at once, and again as long as all are told to come
// back. Some may be, or that it took too long, but not all forever.
func flood(t *testing.T, s *program.Server, clients int, request func(i int, c *client) (answer, error)) {
	t.Helper()
	if !patience.Until(func() bool {
		answers := make([]answer, clients)
		var wg sync.WaitGroup
		for i := range clients {
			c := newClient(s.Base)
			defer c.close()
			// A server that refuses a body does not read it to its end: some clients do not see
			// more of the refusal than that the connection is closed.
			wg.Go(func() { answers[i], _ = request(i, c) })
		}
		wg.Wait()
		handled := 0
		for _, a := range answers {
			switch {
			case a.status == 0 || a.later() || a.status == http.StatusGatewayTimeout:
			case a.status >= http.StatusInternalServerError:
				t.Errorf("%d: %.300s", a.status, a.body)
			default:
				handled++
			}
		}
		t.Logf("statuses %v", count(answers))
		return handled > 0
	}) {
		t.Error("nobody was served")
	}
}

// posted floods with one body.
func posted(t *testing.T, s *program.Server, path, body string, headers ...string) {
	t.Helper()
	flood(t, s, 24, func(_ int, c *client) (answer, error) {
		return c.send(t.Context(), http.MethodPost, path, body, headers...)
	})
}

// attacks are ways to ask for memory.
func attacks() map[string]func(*testing.T, *program.Server) {
	filled := func(before, unit, after string, size int) string {
		n := (size - len(before) - len(after)) / (len(unit) + 1)
		return before + strings.TrimSuffix(strings.Repeat(unit+",", n), ",") + after
	}
	components := filled(`{"resourceType":"Observation","status":"final","code":{"text":"x"},"component":[`,
		`{"code":{"text":"x"},"valueQuantity":{"value":1,"unit":"mg"}}`, `]}`, maxBody-100)
	identifiers := filled(`{"resourceType":"Basic","code":{"text":"x"},"identifier":[`, `{"system":"http://a.example","value":"1234"}`, `]}`, maxBody-100)
	return map[string]func(*testing.T, *program.Server){
		"bodies that nest without end": func(t *testing.T, s *program.Server) {
			posted(t, s, "Basic", `{"resourceType":"Basic","extension":`+strings.Repeat(`[{"extension":`, maxBody/30))
			posted(t, s, "", strings.Repeat("[", maxBundle-1))
		},
		"bodies of huge arrays": func(t *testing.T, s *program.Server) {
			posted(t, s, "Observation", components)
			posted(t, s, "Basic", identifiers)
			posted(t, s, "Basic", filled(`{"resourceType":"Basic","code":[`, `0`, `]}`, maxBody-100))
		},
		"bodies that are wrong in a million places": func(t *testing.T, s *program.Server) {
			posted(t, s, "Basic", filled(`{"resourceType":"Basic","identifier":[`, `{"x":1}`, `]}`, maxBody-100))
		},
		"bodies that unpack to a thousand times their size": func(t *testing.T, s *program.Server) {
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			for range 256 {
				_, _ = z.Write(make([]byte, 1<<20)) // to memory
			}
			_ = z.Close()
			posted(t, s, "Basic", packed.String(), "Content-Encoding", "gzip")
			posted(t, s, "", packed.String(), "Content-Encoding", "gzip")
		},
		"huge transactions": func(t *testing.T, s *program.Server) {
			one := entry(http.MethodPost, "Basic", content("Basic", "", strings.Repeat("x", 1500)))
			posted(t, s, "", filled(`{"resourceType":"Bundle","type":"transaction","entry":[`, one, `]}`, maxBundle-100))
		},
		"transactions of nothing": func(t *testing.T, s *program.Server) {
			posted(t, s, "", filled(`{"resourceType":"Bundle","type":"transaction","entry":[`, `{}`, `]}`, maxBundle-100))
		},
		"batches that ask for much": func(t *testing.T, s *program.Server) {
			posted(t, s, "", filled(`{"resourceType":"Bundle","type":"batch","entry":[`, entry(http.MethodGet, "metadata", ""), `]}`, 64<<10))
		},
		"bodies that come slowly": func(t *testing.T, s *program.Server) {
			half := content("Basic", "", strings.Repeat("x", maxBody/2))
			held(t, s, 300, fmt.Sprintf("POST /fhir/Basic HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/fhir+json\r\nContent-Length: %d\r\n\r\n%s", maxBody, half))
		},
		"headers that come slowly, on very many connections": func(t *testing.T, s *program.Server) {
			held(t, s, 4000, "GET /fhir/Basic HTTP/1.1\r\nHost: localhost\r\nX-Padding: "+strings.Repeat("x", 30<<10))
		},
		"answers that nobody reads": func(t *testing.T, s *program.Server) {
			c := newClient(s.Base)
			defer c.close()
			big := strings.Replace(components, `"Observation",`, `"Observation","id":"big",`, 1)
			for i := range 12 {
				c.must(t, http.StatusOK+min(1, max(0, 1-i)), http.MethodPut, "Observation/big", strings.Replace(big, `"text":"x"`, fmt.Sprintf(`"text":"%d"`, i), 1))
			}
			held(t, s, 100, "GET /fhir/Observation/big/_history?_count=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
			held(t, s, 100, "GET /fhir/Observation?_count=1000&_pretty=true HTTP/1.1\r\nHost: localhost\r\n\r\n")
		},
		"everything that refers to everything": func(t *testing.T, s *program.Server) {
			c := newClient(s.Base)
			defer c.close()
			for i := range 300 {
				body := strings.Replace(content("Observation", fmt.Sprint("o-", i), strings.Repeat("x", 20<<10)), `"id"`,
					fmt.Sprintf(`"hasMember":[{"reference":"Observation/o-%d"},{"reference":"Observation/o-%d"}],"id"`, (i+1)%300, (i+7)%300), 1)
				c.must(t, http.StatusCreated, http.MethodPut, fmt.Sprint("Observation/o-", i), body)
			}
			flood(t, s, 200, func(_ int, c *client) (answer, error) {
				return c.send(t.Context(), http.MethodGet, "Observation?_count=1000&_include:iterate=Observation:has-member&_revinclude:iterate=Observation:has-member&_include=*", "")
			})
		},
	}
}

// held opens so many connections, sends the same over each as far as the server takes it, and
// reads nothing, for a while when all are there.
func held(t *testing.T, s *program.Server, connections int, text string) {
	t.Helper()
	address := strings.TrimSuffix(strings.TrimPrefix(s.Base, "http://"), "/fhir")
	slots := make(chan struct{}, 64) // dial at a time
	over := make(chan struct{})
	var sent, all sync.WaitGroup
	for range connections {
		sent.Add(1)
		all.Go(func() {
			slots <- struct{}{}
			conn, err := net.DialTimeout("tcp", address, patience.Limit)
			if err == nil {
				defer func() { _ = conn.Close() }()
				_ = conn.SetDeadline(time.Now().Add(time.Second))
				_, _ = io.WriteString(conn, text) // it may be refused
			}
			<-slots
			sent.Done()
			<-over
		})
	}
	sent.Wait()
	time.Sleep(500 * time.Millisecond)
	close(over)
	all.Wait()
}
