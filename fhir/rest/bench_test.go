package rest

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// benchEnv logs and counts as the real server does, and holds 20 resources of 1.5 kB.
func benchEnv(b *testing.B) *env {
	e := newEnv(b, func(s *Server) {
		s.Log = slog.New(slog.NewJSONHandler(bufio.NewWriterSize(io.Discard, 64<<10), nil))
		s.Metrics = NewMetrics()
		s.Now = nil
	})
	for i := range 20 {
		id := strconv.Itoa(i)
		e.do(b, "PUT", "/fhir/Patient/"+id, `{"resourceType":"Patient","id":"`+id+`","language":"`+strings.Repeat("x", 1450)+`"}`)
	}
	return e
}

var benchCases = []struct{ name, path string }{
	{"read", "/fhir/Patient/7"},
	{"search20", "/fhir/Patient?_count=20"},
}

func BenchmarkHandler(b *testing.B) {
	e := benchEnv(b)
	for _, c := range benchCases {
		b.Run(c.name, func(b *testing.B) {
			r := httptest.NewRequestWithContext(b.Context(), "GET", c.path, nil)
			r.Header.Set("Accept", "application/fhir+json")
			b.ReportAllocs()
			for b.Loop() {
				w := discard{http.Header{}}
				e.handler.ServeHTTP(w, r)
			}
		})
	}
}

// discard is a ResponseWriter that costs nothing.
type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkHTTP sends prepared bytes over one connection and reads the answer
// up to its known length, so that most of the time measured is the server's. "bare" is
// net/http with a handler that writes the same answer.
func BenchmarkHTTP(b *testing.B) {
	e := benchEnv(b)
	serve(b, "bare", "/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1500")
		_, _ = w.Write(make([]byte, 1500))
	}))
	for _, c := range benchCases {
		serve(b, c.name, c.path, e.handler)
	}
}

func serve(b *testing.B, name, path string, h http.Handler) {
	srv := httptest.NewServer(h)
	defer srv.Close()
	b.Run(name, func(b *testing.B) {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		request := []byte("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nAccept: application/fhir+json\r\n\r\n")
		in := bufio.NewReaderSize(conn, 64<<10)
		for b.Loop() {
			if _, err := conn.Write(request); err != nil {
				b.Fatal(err)
			}
			length := 0
			for {
				line, err := in.ReadSlice('\n')
				if err != nil {
					b.Fatal(err)
				}
				if v, ok := strings.CutPrefix(string(line), "Content-Length: "); ok {
					length, _ = strconv.Atoi(strings.TrimSpace(v))
				}
				if len(line) == 2 {
					break
				}
			}
			if _, err := in.Discard(length); err != nil || length == 0 {
				b.Fatal(length, err)
			}
		}
	})
}
