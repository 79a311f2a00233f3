package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
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

// explained is how many queries of a form are explained.
const explained = 4

// explainRows adds to the rows of forms what portico explain says of their searches.
func explainRows(ctx context.Context, rows []row, forms []shape, data string) error {
	for _, sh := range forms {
		i := slices.IndexFunc(rows, func(r row) bool { return r.Name == sh.name })
		if err := explainRow(ctx, &rows[i], sh.queries[:min(explained, len(sh.queries))], data); err != nil {
			return fmt.Errorf("%s: %w", sh.name, err)
		}
	}
	return nil
}

func explainRow(ctx context.Context, m *row, queries []string, data string) error {
	var keys, docs int64
	returned := 0
	for _, q := range queries {
		e, err := explain(ctx, q, data)
		if err != nil {
			return err
		}
		for _, s := range e.Steps {
			keys, docs = keys+s.Keys, docs+s.Documents
		}
		returned += e.Returned
		m.Allocs += e.Allocations / float64(len(queries))
	}
	if returned > 0 {
		m.Keys, m.Docs = float64(keys)/float64(returned), float64(docs)/float64(returned)
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
