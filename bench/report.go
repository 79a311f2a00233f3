package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"
)

// The names of the measurements, as --only takes them.
const (
	nameStart        = "start"
	nameRead         = "read"
	nameReadMapped   = "read-ehr"
	nameSearch       = "search"
	nameSearchSorted = "search-sorted"
	nameCreate       = "create"
	nameCreateMany   = "create-many"
	nameTransact     = "transact-many"
	nameImport       = "import"
	nameLoad         = "load"
)

func names() []string {
	return []string{nameStart, nameRead, nameReadMapped, nameSearch, nameSearchSorted, nameCreate, nameCreateMany, nameTransact, nameImport, nameLoad}
}

// budget is what a measurement should stay within; zero fields do not count.
type budget struct {
	CPU    float64 `json:"cpu_us,omitempty"`         // of the server, each operation
	Rate   float64 `json:"ops_per_second,omitempty"` // at least
	Millis float64 `json:"ms,omitempty"`
	Memory float64 `json:"mb,omitempty"`
	Disk   float64 `json:"disk_bytes,omitempty"`        // each resource
	Shared float64 `json:"writes_per_commit,omitempty"` // at least
}

var budgets = map[string]budget{
	nameStart:        {Millis: 200, Memory: 100},
	nameRead:         {CPU: 35},
	nameReadMapped:   {CPU: 35},
	nameSearch:       {CPU: 190},
	nameSearchSorted: {CPU: 150},
	nameCreate:       {CPU: 300},
	nameCreateMany:   {CPU: 300},
	nameTransact:     {Shared: 5},
	nameImport:       {CPU: 300},
	nameLoad:         {Rate: 10_000, Disk: 1500},
}

// row is one measurement. Fields that it does not have are zero.
type row struct {
	Name    string  `json:"name"`
	What    string  `json:"what"`
	Skipped string  `json:"skipped,omitempty"` // why there are no figures
	Clients int     `json:"clients,omitempty"`
	Ops     int     `json:"ops,omitempty"`
	Rate    float64 `json:"ops_per_second,omitempty"`
	P50     float64 `json:"p50_us,omitempty"`
	P99     float64 `json:"p99_us,omitempty"`
	CPU     float64 `json:"cpu_us,omitempty"` // of the server, each operation
	Millis  float64 `json:"ms,omitempty"`
	Memory  float64 `json:"mb,omitempty"`         // resident
	Size    float64 `json:"size_bytes,omitempty"` // of a resource as sent
	Disk    float64 `json:"disk_bytes,omitempty"` // each resource, indexes included
	Entries float64 `json:"entries,omitempty"`    // of an answer, on average
	Each    float64 `json:"cpu_us_per_entry,omitempty"`
	// Of its first queries, as portico explain counts: index entries and documents looked at
	// for each one returned, and allocations below HTTP.
	Keys   float64 `json:"keys_per_returned,omitempty"`
	Docs   float64 `json:"documents_per_returned,omitempty"`
	Allocs float64 `json:"allocations,omitempty"`
	Shared float64 `json:"writes_per_commit,omitempty"`
	Budget budget  `json:"budget"`
	Over   bool    `json:"over,omitempty"` // the budget
}

// report is what a run found out.
type report struct {
	Cores int     `json:"cores"`
	Load  float64 `json:"load"` // average of the machine before the run; 0 when it is not known
	Rows  []row   `json:"measurements"`
}

// newReport looks at the machine.
func newReport() *report {
	r := &report{Cores: runtime.NumCPU()}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		first, _, _ := strings.Cut(string(b), " ")
		r.Load, _ = strconv.ParseFloat(first, 64)
	}
	return r
}

func (r *report) add(m row) {
	if m.Budget == (budget{}) {
		m.Budget = budgets[m.Name]
	}
	if m.Entries > 0 {
		m.Each = m.CPU / m.Entries
	}
	b := m.Budget
	over := func(got, want float64) bool { return want > 0 && got > want }
	m.Over = over(m.CPU, b.CPU) || over(m.Millis, b.Millis) || over(m.Memory, b.Memory) || over(m.Disk, b.Disk) ||
		m.Rate > 0 && m.Rate < b.Rate || m.Shared > 0 && m.Shared < b.Shared
	r.Rows = append(r.Rows, m)
}

func (r *report) writeJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

func (r *report) writeText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "\tclients\tops\tops/s\tp50 µs\tp99 µs\tserver CPU µs/op\tbudget\tentries\tCPU µs/entry\tkeys/entry\tdocs/entry\tallocs\t")
	for _, m := range r.Rows {
		if m.Skipped != "" || m.Ops == 0 {
			continue
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%d\t%.0f\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", m.Name, number(float64(m.Clients)), m.Ops, m.Rate, number(m.P50), number(m.P99), number(m.CPU), m.limit(), number(m.Entries), ratio(m.Each), ratio(m.Keys), ratio(m.Docs), number(m.Allocs))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "%d cores, load %.1f before the run%s\n", r.Cores, r.Load, r.caution()); err != nil {
		return err
	}
	for i, m := range r.Rows {
		var err error
		switch {
		case i > 0 && m.What == r.Rows[i-1].What: // said already
		case m.Skipped != "":
			_, err = fmt.Fprintf(w, "%s (%s): not measured: %s\n", m.Name, m.What, m.Skipped)
		case m.Millis > 0:
			_, err = fmt.Fprintf(w, "%s (%s): %.0f ms, %.0f MB resident (budget %.0f ms, %.0f MB)\n", m.Name, m.What, m.Millis, m.Memory, m.Budget.Millis, m.Budget.Memory)
		case m.Disk > 0:
			_, err = fmt.Fprintf(w, "%s (%s): %.0f bytes on disk for each resource of %.0f bytes (budget %.0f)\n", m.Name, m.What, m.Disk, m.Size, m.Budget.Disk)
		case m.Shared > 0:
			_, err = fmt.Fprintf(w, "%s: %s; %.1f of them for each commit (budget %.0f)\n", m.Name, m.What, m.Shared, m.Budget.Shared)
		default:
			_, err = fmt.Fprintf(w, "%s: %s\n", m.Name, m.What)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// caution says what to think of the figures.
func (r *report) caution() string {
	if r.Load > float64(r.Cores)/2 {
		return ": others were using the machine, and these figures are too high"
	}
	return ""
}

// limit is the budget as the table shows it.
func (m row) limit() string {
	s := number(m.Budget.CPU) + " µs"
	if m.Budget.Rate > 0 {
		s = number(m.Budget.Rate) + "/s"
	}
	if m.Over {
		s += " (over)"
	}
	return s
}

// number leaves out what was not measured.
func number(f float64) string {
	if f == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f", f)
}

// ratio is number with one digit more.
func ratio(f float64) string {
	if f == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", f)
}
