package exact

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed tables/*.txt
var files embed.FS

// File is a file of tables, on one subject.
type File struct {
	Name   string
	Tables []Table
}

// Table is a set of resources and what searches among them find.
type Table struct {
	Claim string
	Type  string // that is searched
	// Zone is that of the server, for dates without one. Empty where nothing
	// depends on it.
	Zone      string
	Resources []Resource
	Searches  []Search
}

// Resource is one that is searched for. Body is JSON with neither resourceType
// nor id.
type Resource struct {
	Type, ID, Body string
}

// Search is a request, percent-encoding aside, and its answer: the ids that match,
// or the code of the issue with which it is refused.
type Search struct {
	Query   string
	IDs     []string
	Refused string
}

// Files reads the tables, which are written in lines:
//
//	== a claim                   begins a table
//	type Patient                 what is searched, and what "+" makes
//	zone Europe/Berlin           the server's time zone
//	+ a "gender":"male"          a resource and its members
//	? gender=male => a           a search and what it finds
//	! gender:foo=male => code    a search that is refused
//
// A resource of another type is written Type/id. In members and searches <a>
// stands for the id of a, which prefix then begins, and <base> for base. A line
// that starts with white space continues the one before.
func Files(base, prefix string) ([]File, error) {
	entries, err := files.ReadDir("tables")
	if err != nil {
		return nil, err
	}
	var out []File
	for _, e := range entries {
		text, err := files.ReadFile("tables/" + e.Name())
		if err != nil {
			return nil, err
		}
		f := File{Name: strings.TrimSuffix(e.Name(), ".txt")}
		if f.Tables, err = parse(string(text)); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
		for i := range f.Tables {
			f.Tables[i].name(base, prefix)
		}
		out = append(out, f)
	}
	return out, nil
}

func parse(text string) ([]Table, error) {
	var tables []Table
	text = strings.ReplaceAll(text, "\n ", " ")
	for n, line := range strings.Split(text, "\n") {
		keyword, rest, _ := strings.Cut(line, " ")
		if keyword == "" || keyword == "#" {
			continue
		}
		if keyword == "==" {
			tables = append(tables, Table{Claim: rest})
			continue
		}
		if len(tables) == 0 || !tables[len(tables)-1].read(keyword, rest) {
			return nil, fmt.Errorf("statement %d: %q", n+1, line)
		}
	}
	return tables, nil
}

// read takes one statement; it reports whether it makes sense.
func (t *Table) read(keyword, rest string) bool {
	switch keyword {
	case "type":
		t.Type = rest
	case "zone":
		t.Zone = rest
	case "+":
		id, members, _ := strings.Cut(rest, " ")
		r := Resource{Type: t.Type, ID: id, Body: "{" + strings.TrimSpace(members) + "}"}
		if typ, id, ok := strings.Cut(id, "/"); ok {
			r.Type, r.ID = typ, id
		}
		t.Resources = append(t.Resources, r)
	case "?", "!":
		query, answer, ok := strings.Cut(rest, "=>")
		if !ok {
			return false
		}
		s := Search{Query: strings.TrimSpace(query)}
		if keyword == "?" {
			s.IDs = strings.Fields(answer)
		} else {
			s.Refused = strings.TrimSpace(answer)
		}
		t.Searches = append(t.Searches, s)
	default:
		return false
	}
	return t.Type != ""
}

// name puts ids and the base in place.
func (t *Table) name(base, prefix string) {
	pairs := []string{"<base>", base}
	for _, r := range t.Resources {
		pairs = append(pairs, "<"+r.ID+">", prefix+r.ID)
	}
	names := strings.NewReplacer(pairs...)
	for i := range t.Resources {
		r := &t.Resources[i]
		r.ID, r.Body = prefix+r.ID, names.Replace(r.Body)
	}
	for i := range t.Searches {
		s := &t.Searches[i]
		s.Query = names.Replace(s.Query)
		for j := range s.IDs {
			s.IDs[j] = prefix + s.IDs[j]
		}
	}
}
