package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/internal/patience"
)

// brief keeps measurements short.
var brief = []string{"--duration", "20ms", "--max-ops", "50", "--clients", "4", "--resources", "10"}

func runMain(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := Main(t.Context(), append(append([]string(nil), brief...), args...), &out)
	return out.String(), err
}

// rows runs with --json and gives the last measurement of each name.
func rows(t *testing.T, args ...string) map[string]row {
	t.Helper()
	out, err := runMain(t, append(args, "--json")...)
	if err != nil {
		t.Fatal(err)
	}
	var rep report
	if err := json.Unmarshal([]byte(out), &rep); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	byName := make(map[string]row)
	for _, r := range rep.Rows {
		byName[r.Name] = r
	}
	return byName
}

func TestAServerOfItsOwnIsMeasuredInEveryWay(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	got := rows(t)
	for _, name := range names() {
		r, ok := got[name]
		if !ok || r.Skipped != "" {
			t.Errorf("%s: %+v", name, r)
			continue
		}
		if r.Budget != budgets[name] {
			t.Errorf("%s has the budget %+v", name, r.Budget)
		}
		switch name {
		case nameStart:
			if r.Millis <= 0 || r.Memory < 1 {
				t.Errorf("%s: %+v", name, r)
			}
		case nameTransact:
			if r.Shared != 6 || r.Clients != 4 || r.Ops < 1 || r.Over {
				t.Errorf("%s: %+v", name, r)
			}
		case nameImport:
			if r.Ops < imported || r.Ops%imported != 0 || r.Rate <= 0 || r.Clients != importers {
				t.Errorf("%s: %+v", name, r)
			}
		case nameLoad:
			if r.Ops != 10 || r.Rate <= 0 || r.Disk != r.Size || r.Size < 2000 || r.Size > 3000 {
				t.Errorf("%s: %+v", name, r)
			}
		default:
			if r.Ops < 1 || r.Ops > 50 || r.Rate <= 0 || r.P50 <= 0 || r.P99 < r.P50 {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
	if got[nameCreateMany].Clients != 4 || got[nameCreate].Clients != 1 || got[nameRead].Clients != busy {
		t.Errorf("%d, %d and %d clients", got[nameCreateMany].Clients, got[nameCreate].Clients, got[nameRead].Clients)
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) > 0 {
		t.Errorf("it leaves %v behind (%v)", left, err)
	}
}

func TestTheTableShowsBudgets(t *testing.T) {
	out, err := runMain(t, "--only", "read,start")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"server CPU µs/op", "35 µs", "budget 200 ms, 100 MB", "read a record of 1.5 kB by id"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "search") || strings.Contains(out, "create-many") {
		t.Errorf("more than was asked for:\n%s", out)
	}
}

func TestAServerThatDoesNotStartIsReportedWithItsLastWords(t *testing.T) {
	t.Setenv("FAKE_SERVE", "broken")
	_, err := runMain(t)
	if err == nil || !strings.Contains(err.Error(), "the clinic is closed") {
		t.Errorf("%v", err)
	}
}

func TestARunningServerIsOnlyReadFrom(t *testing.T) {
	t.Parallel()
	f := &fakeFHIR{observations: 25}
	srv := httptest.NewServer(f)
	defer srv.Close()
	got := rows(t, "--url", srv.URL)
	if f.creates.Load() != 0 {
		t.Errorf("%d creates", f.creates.Load())
	}
	for name, skipped := range map[string]bool{nameRead: true, nameCreate: true, nameCreateMany: true, nameTransact: true, nameImport: true, nameReadMapped: false, nameSearch: false, nameSearchSorted: false} {
		if r := got[name]; (r.Skipped != "") != skipped || !skipped && r.Ops == 0 || r.CPU != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	got = rows(t, "--url", srv.URL, "--write")
	if f.creates.Load() == 0 || got[nameCreateMany].Ops == 0 || got[nameRead].Ops == 0 {
		t.Errorf("with --write %d creates, %+v", f.creates.Load(), got)
	}
}

func TestWhatCannotBeMeasuredIsSkippedWithTheReason(t *testing.T) {
	t.Parallel()
	few := httptest.NewServer(&fakeFHIR{})
	defer few.Close()
	got := rows(t, "--url", few.URL)
	if got[nameReadMapped].Skipped == "" || got[nameSearch].Skipped == "" || got[nameSearchSorted].Skipped == "" {
		t.Errorf("without Observations: %+v", got)
	}
	unsorted := httptest.NewServer(&fakeFHIR{observations: 20, unsorted: true})
	defer unsorted.Close()
	got = rows(t, "--url", unsorted.URL)
	if got[nameSearch].Ops == 0 || got[nameSearchSorted].Skipped == "" {
		t.Errorf("without _sort: %+v", got)
	}
}

func TestAWrongAnswerEndsTheRun(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(&fakeFHIR{observations: 20, wrong: true})
	defer srv.Close()
	if _, err := runMain(t, "--url", srv.URL); err == nil || !strings.Contains(err.Error(), "another id") {
		t.Errorf("%v", err)
	}
	if _, err := runMain(t, "--url", "http://127.0.0.1:1/fhir"); err == nil {
		t.Error("a server that is not there is measured")
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"x"},
		{"--duration", "0s"},
		{"--duration", "11m"},
		{"--max-ops", "0"},
		{"--clients", "1025"},
		{"--resources", "-1"},
		{"--url", "localhost:8080"},
		{"--url", "ftp://x/fhir"},
		{"--write"},
		{"--only", "reads"},
		{"--only", "read,"},
		{"--unknown"},
		{"--size", "-1"},
		{"--size", "10", "--only", "read"},
		{"--data", "x"},
		{"--size", "10", "--url", "http://localhost:8080/fhir"},
	} {
		if _, err := parse(args, &bytes.Buffer{}); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
	_, err := parse([]string{"--clients", "0", "--max-ops", "0"}, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "--clients") || !strings.Contains(err.Error(), "--max-ops") {
		t.Errorf("not all faults at once: %v", err)
	}
	var usage bytes.Buffer
	if err := Main(t.Context(), []string{"-h"}, &usage); err != nil || !strings.Contains(usage.String(), "search-sorted") {
		t.Errorf("%v: %s", err, usage.String())
	}
}

func TestACancelledRunEnds(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(&fakeFHIR{observations: 25})
	defer srv.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	err := Main(ctx, []string{"--url", srv.URL, "--duration", "10m"}, &bytes.Buffer{})
	if err == nil || time.Since(began) > patience.Limit {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1)*time.Microsecond)
	}
	for _, tt := range []struct {
		in   []time.Duration
		p    int
		want float64
	}{{nil, 50, 0}, {hundred[:1], 99, 1}, {hundred, 50, 50}, {hundred, 99, 99}, {hundred[:10], 99, 10}, {hundred[:3], 50, 2}} {
		if got := percentile(tt.in, tt.p); got != tt.want {
			t.Errorf("percentile %d of %d values is %v, want %v", tt.p, len(tt.in), got, tt.want)
		}
	}
}

func TestOverBudget(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   row
		want bool
	}{
		{row{Name: nameRead, CPU: 35}, false},
		{row{Name: nameRead, CPU: 36}, true},
		{row{Name: nameRead}, false}, // not measured
		{row{Name: nameLoad, Rate: 10_000, Disk: 1500}, false},
		{row{Name: nameLoad, Rate: 9_999}, true},
		{row{Name: nameLoad, Rate: 20_000, Disk: 1501}, true},
		{row{Name: nameStart, Millis: 199, Memory: 101}, true},
	} {
		var rep report
		rep.add(tt.in)
		if rep.Rows[0].Over != tt.want {
			t.Errorf("%+v: over %v", tt.in, rep.Rows[0].Over)
		}
	}
}

func TestCPUTimeIsSharedOutAmongTheEntriesOfAnAnswer(t *testing.T) {
	t.Parallel()
	var r report
	r.add(row{Name: "full", Ops: 1, CPU: 90, Entries: 20})
	r.add(row{Name: "none", Ops: 1, CPU: 90})
	if full, none := r.Rows[0].Each, r.Rows[1].Each; full != 4.5 || none != 0 {
		t.Errorf("got %v and %v", full, none)
	}
	var out bytes.Buffer
	if err := r.writeText(&out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "CPU µs/entry") || !strings.Contains(out.String(), " 4.5 ") {
		t.Errorf("got\n%s", &out)
	}
}

func TestABusyMachineIsMentioned(t *testing.T) {
	t.Parallel()
	for load, want := range map[float64]bool{0: false, 1: false, 1.1: true, 9: true} {
		var out bytes.Buffer
		if err := (&report{Cores: 2, Load: load}).writeText(&out); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(out.String(), "too high"); got != want {
			t.Errorf("with a load of %v on 2 cores: %s", load, out.String())
		}
	}
}

func TestCPUTimeOfAProcessGrows(t *testing.T) {
	t.Parallel()
	before, ok := cpuOf(os.Getpid())
	if !ok {
		t.Skip("no /proc here")
	}
	if !patience.Until(func() bool {
		after, ok := cpuOf(os.Getpid())
		return ok && after > before
	}) {
		t.Errorf("%v of looking cost no CPU time", patience.Limit)
	}
}

func TestTheResourcesHaveTheSizesThatTheyAreSaidToHave(t *testing.T) {
	t.Parallel()
	for _, i := range []int{0, 1, 123_456} {
		if n := len(condition(i)); n < 1400 || n > 1800 || !json.Valid(condition(i)) {
			t.Errorf("a Condition of %d bytes", n)
		}
		if n := len(observation(i)); n < 2200 || n > 2800 || !json.Valid(observation(i)) || bytes.ContainsRune(observation(i), '\n') {
			t.Errorf("an Observation of %d bytes", n)
		}
	}
}
