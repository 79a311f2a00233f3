package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// TestMain is the program that bench starts: with serve or load as its first
// argument this binary is a small stand-in for portico.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		var err error
		switch os.Args[1] {
		case "serve":
			err = fakeServe(os.Args[2:])
		case "load":
			err = fakeLoad(os.Args[2:])
		case "explain":
			_, err = fmt.Println(`{"steps":[{"keys":12,"documents":11},{"keys":8,"documents":9}],"returned":10,"allocations":120.5}`)
		default:
			os.Exit(m.Run())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// flagValue gives what follows a flag.
func flagValue(args []string, name string) string {
	i := slices.Index(args, name)
	if i < 0 || i+1 == len(args) {
		return ""
	}
	return args[i+1]
}

func fakeServe(args []string) error {
	demo := strings.HasSuffix(flagValue(args, "--store"), "demo")
	if slices.Contains(args, "--demo") != demo || flagValue(args, "--auth") != "off" || !strings.HasPrefix(flagValue(args, "--store"), "sqlite:") {
		return fmt.Errorf("serve with %q", args)
	}
	if os.Getenv("FAKE_SERVE") == "broken" {
		return errors.New("the clinic is closed")
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", flagValue(args, "--listen"))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	fake := &fakeFHIR{observations: 25}
	mux.Handle("/fhir/", http.StripPrefix("/fhir", fake))
	srv := &http.Server{Handler: mux}
	counters, err := new(net.ListenConfig).Listen(ctx, "tcp", flagValue(args, "--metrics-listen"))
	if err != nil {
		return err
	}
	defer counters.Close()
	go func() {
		_ = http.Serve(counters, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			n := fake.transactions.Load()
			fmt.Fprintf(w, "# HELP x y\nportico_store_writes_total %d\nportico_store_commits_total %d\n", 60*n, 10*n)
		}))
	}()
	go func() {
		<-ctx.Done()
		_ = srv.Shutdown(context.Background())
	}()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// fakeLoad copies the file into the store's directory, so that a store takes
// as many bytes as what was loaded.
func fakeLoad(args []string) error {
	data, err := os.ReadFile(args[len(args)-1])
	if err != nil {
		return err
	}
	dir := strings.TrimPrefix(flagValue(args, "--store"), "sqlite:")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "data"), data, 0o600)
}

// fakeFHIR answers just what bench asks for.
type fakeFHIR struct {
	observations int
	unsorted     bool // refuses _sort
	wrong        bool // gives another resource than was asked for
	creates      atomic.Int64
	transactions atomic.Int64
}

func (f *fakeFHIR) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/Condition":
		if _, err := io.ReadAll(r.Body); err != nil || r.Header.Get("Content-Type") != "application/fhir+json" {
			w.WriteHeader(http.StatusUnsupportedMediaType)
			return
		}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"resourceType":"Condition","id":"c%d"}`, f.creates.Add(1))
	case r.Method == http.MethodPost && r.URL.Path == "/":
		body, _ := io.ReadAll(r.Body)
		f.transactions.Add(1)
		entries := strings.Count(string(body), `{"resource":`)
		fmt.Fprintf(w, `{"entry":[%s]}`, strings.Repeat(`{"response":{"status":"201 Created"}},`, entries))
	case r.URL.Path == "/metadata":
		fmt.Fprint(w, `{"resourceType":"CapabilityStatement"}`)
	case r.URL.Path == "/Patient" && q.Has("_count"):
		f.bundle(w, "Patient", 4)
	case q.Has("subject:Patient.family"):
		w.WriteHeader(http.StatusBadRequest)
	case r.URL.Path != "/Observation" && strings.Count(r.URL.Path, "/") == 1:
		f.bundle(w, r.URL.Path[1:], 2)
	case r.URL.Path == "/Observation" && q.Has("_sort") && f.unsorted:
		w.WriteHeader(http.StatusBadRequest)
	case r.URL.Path == "/Observation" && q.Has("_sort"):
		f.bundle(w, "Observation", min(f.observations, 10))
	case r.URL.Path == "/Observation" && q.Get("_count") == "1":
		f.bundle(w, "Observation", min(f.observations, 1))
	case r.URL.Path == "/Observation":
		f.bundle(w, "Observation", min(f.observations, 20))
	default:
		_, id, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if f.wrong {
			id = "other"
		}
		fmt.Fprintf(w, `{"id":%q}`, id)
	}
}

func (f *fakeFHIR) bundle(w io.Writer, typ string, n int) {
	var entries []string
	for i := range n {
		entries = append(entries, fmt.Sprintf(`{"fullUrl":"http://x/%[1]s/%[2]d","resource":{"resourceType":%[1]q,"id":"%[2]d","name":[{"family":"Ng","given":["Ann","Bo"]}],"identifier":[{"system":"s","value":"%[2]d"}],"code":{"coding":[{"system":"http://loinc.org","code":"1-%[2]d"}]}}}`, typ, i))
	}
	fmt.Fprintf(w, `{"resourceType":"Bundle","entry":[%s]}`, strings.Join(entries, ","))
}
