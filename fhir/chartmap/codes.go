package chartmap

import (
	"encoding/csv"
	"encoding/json"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/portico-fhir/portico/store"
)

// table is a code table: the clinic's codes and what they mean in FHIR.
type table struct {
	name        string
	system      string // of codes that do not name their own
	localSystem string // of codes that are in no table
	entries     []code
	text        map[string]int // source string -> entry
	number      map[int64]int  // source number -> entry
	boolean     map[bool]int
	node        *yaml.Node
	used        bool
}

// code is one line of a code table.
type code struct {
	from    store.Value
	system  string
	code    string
	display string
}

func newTable(name string, node *yaml.Node) *table {
	return &table{name: name, text: map[string]int{}, number: map[int64]int{}, boolean: map[bool]int{}, node: node}
}

// add gives the name of the source code when it is there already.
func (t *table) add(from any, c code) (duplicate bool) {
	n := len(t.entries)
	switch from := from.(type) {
	case string:
		_, duplicate = t.text[from]
		t.text[from] = n
	case int64:
		_, duplicate = t.number[from]
		t.number[from] = n
	case bool:
		_, duplicate = t.boolean[from]
		t.boolean[from] = n
	}
	c.from = store.V(from)
	t.entries = append(t.entries, c)
	return duplicate
}

// find gives the entry for a source value, or nil.
func (t *table) find(v store.Value) *code {
	i, ok := 0, false
	if s, isText := textOf(v); isText {
		i, ok = t.text[string(s)]
	} else if b, isBool := v.BooleanOK(); isBool {
		i, ok = t.boolean[b]
	} else if n, isWhole := whole(v); isWhole {
		i, ok = t.number[n]
	}
	if !ok {
		return nil
	}
	return &t.entries[i]
}

// sources are the source values of the entries that satisfy keep.
func (t *table) sources(keep func(*code) bool) []store.Value {
	var out []store.Value
	for i := range t.entries {
		if keep(&t.entries[i]) {
			out = append(out, t.entries[i].from)
		}
	}
	return out
}

var tableKeys = []string{"system", "localSystem", "map", "csv", "conceptMap"}

// table reads one entry of codes.
func (l *loader) table(name string, n *yaml.Node) *table {
	t := newTable(name, n)
	what := "code table " + strconv.Quote(name)
	var sources []entry
	for _, e := range l.entries(n, what) {
		switch e.name {
		case "system":
			t.system = l.str(e.value, "system")
		case "localSystem":
			t.localSystem = l.str(e.value, "localSystem")
		case "map", "csv", "conceptMap":
			sources = append(sources, e)
		default:
			l.unknown(e.key, what, tableKeys)
		}
	}
	if len(sources) != 1 {
		l.add(n, "give one of: map, csv, conceptMap", "%s has %d sources of codes", what, len(sources))
	}
	for _, e := range sources {
		switch e.name {
		case "map":
			l.inlineCodes(t, e.value)
		case "csv":
			l.csvCodes(t, e.value)
		case "conceptMap":
			l.conceptMap(t, e.value)
		}
	}
	for i := range t.entries {
		if t.entries[i].system == "" {
			t.entries[i].system = t.system
		}
	}
	return t
}

func (l *loader) inlineCodes(t *table, n *yaml.Node) {
	for _, e := range l.entries(n, "map") {
		from, _ := resolve(e.key)
		if from == "" {
			from = nil
		}
		switch from.(type) {
		case string, int64, bool:
		default:
			l.add(e.key, "put it in quotes", "%q cannot be a source code", e.key.Value)
			continue
		}
		c := code{}
		if v := deref(e.value); v.Kind == yaml.MappingNode {
			for _, part := range l.entries(v, "a code") {
				switch part.name {
				case "code":
					c.code = l.codeText(part.value)
				case "display":
					c.display = l.str(part.value, "display")
				case "system":
					c.system = l.str(part.value, "system")
				default:
					l.unknown(part.key, "a code", []string{"code", "display", "system"})
				}
			}
		} else {
			c.code = l.codeText(v)
		}
		t.add(from, c)
	}
	if len(t.entries) == 0 {
		l.add(n, "write source: target pairs", "code table %q is empty", t.name)
	}
}

// codeText reads a target code; numbers in it need no quotes.
func (l *loader) codeText(n *yaml.Node) string {
	n = deref(n)
	if n.Kind != yaml.ScalarNode || isNull(n) || strings.ContainsAny(n.Value, whitespace) {
		l.add(n, "", "a target code must be one word")
		return ""
	}
	return n.Value
}

// file reads a file next to the chart map.
func (l *loader) file(n *yaml.Node, what string) []byte {
	name := l.str(n, what)
	if name == "" {
		return nil
	}
	full := path.Join(path.Dir(l.mapPath), name)
	if l.files == nil || !fs.ValidPath(full) {
		l.add(n, "use a path relative to the chart map, without ..", "%s: %q cannot be opened", what, name)
		return nil
	}
	data, err := fs.ReadFile(l.files, full)
	if err != nil {
		l.add(n, "", "%s: %q cannot be read", what, name)
		return nil
	}
	return data
}

// csvCodes reads lines of source,code[,display[,system]]; a first line with
// the words "source,code" is a header.
func (l *loader) csvCodes(t *table, n *yaml.Node) {
	data := l.file(n, "csv")
	if data == nil {
		return
	}
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(data), "\ufeff")))
	r.FieldsPerRecord = -1
	r.TrimLeadingSpace = true
	rows, err := r.ReadAll()
	if err != nil {
		l.add(n, "", "csv: %v", err)
		return
	}
	for i, row := range rows {
		if i == 0 && len(row) > 1 && strings.EqualFold(row[0], "source") && strings.EqualFold(row[1], "code") {
			continue
		}
		if len(row) < 2 || len(row) > 4 || row[0] == "" || row[1] == "" || strings.ContainsAny(row[1], whitespace) {
			l.add(n, "write source,code[,display[,system]]", "csv: record %d is not a code", i+1)
			continue
		}
		row = append(row, "", "")
		if t.add(row[0], code{code: row[1], display: row[2], system: row[3]}) {
			l.add(n, "remove one of them", "csv: source code %q is there twice", row[0])
		}
	}
}

// conceptMap reads the equivalences of a FHIR ConceptMap (R4). The first target
// of a code counts.
func (l *loader) conceptMap(t *table, n *yaml.Node) {
	data := l.file(n, "conceptMap")
	if data == nil {
		return
	}
	var cm struct {
		ResourceType string `json:"resourceType"`
		Group        []struct {
			Source  string `json:"source"`
			Target  string `json:"target"`
			Element []struct {
				Code   string `json:"code"`
				Target []struct {
					Code        string `json:"code"`
					Display     string `json:"display"`
					Equivalence string `json:"equivalence"`
				} `json:"target"`
			} `json:"element"`
		} `json:"group"`
	}
	if err := json.Unmarshal(data, &cm); err != nil || cm.ResourceType != "ConceptMap" {
		l.add(n, "", "conceptMap: not a FHIR ConceptMap in JSON")
		return
	}
	for _, g := range cm.Group {
		if t.localSystem == "" {
			t.localSystem = g.Source
		}
		for _, e := range g.Element {
			for _, target := range e.Target {
				if target.Equivalence == "unmatched" || target.Equivalence == "disjoint" || target.Code == "" || e.Code == "" {
					continue
				}
				if t.add(e.Code, code{code: target.Code, display: target.Display, system: g.Target}) {
					l.add(n, "remove one of them", "conceptMap: source code %q is there twice", e.Code)
				}
				break
			}
		}
	}
}
