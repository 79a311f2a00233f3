package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// explanation is what portico explain --json writes.
type explanation struct {
	Steps []struct {
		Keys      int64 `json:"keys"`
		Documents int64 `json:"documents"`
	} `json:"steps"`
	Returned    int     `json:"returned"`
	Allocations float64 `json:"allocations"`
}

// explainRows adds to the rows of searches what portico explain says of them.
func explainRows(ctx context.Context, rows []row, data string) error {
	for i := range rows {
		m := &rows[i]
		typ, _, _ := strings.Cut(m.What, "?")
		if m.Skipped != "" || m.Entries == 0 || strings.Contains(typ, "/") {
			continue
		}
		e, err := explain(ctx, m.What, data)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		m.Allocs = e.Allocations
		if e.Returned == 0 {
			continue
		}
		for _, s := range e.Steps {
			m.Keys += float64(s.Keys) / float64(e.Returned)
			m.Docs += float64(s.Documents) / float64(e.Returned)
		}
	}
	return nil
}

func explain(ctx context.Context, query, data string) (explanation, error) {
	var e explanation
	self, err := os.Executable()
	if err != nil {
		return e, err
	}
	out, err := exec.CommandContext(ctx, self, "explain", query, "--store", "sqlite:"+data, "--json").Output()
	if err != nil {
		return e, fmt.Errorf("portico explain: %w", err)
	}
	return e, json.Unmarshal(out, &e)
}
