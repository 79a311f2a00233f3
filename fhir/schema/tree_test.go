package schema

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// tree is JSON that a test can change: an object, an array, or raw text.
type tree struct {
	kind  jsontext.Kind
	raw   string
	names []string // of an object, with their quotes
	kids  []*tree
}

func newDecoder(body []byte) *jsontext.Decoder { return jsontext.NewDecoder(bytes.NewReader(body)) }

func readTree(dec *jsontext.Decoder) (*tree, error) {
	n := &tree{kind: dec.PeekKind()}
	if n.kind != '{' && n.kind != '[' {
		raw, err := dec.ReadValue()
		n.raw = string(raw)
		return n, err
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	for dec.PeekKind() != '}' && dec.PeekKind() != ']' {
		if n.kind == '{' {
			name, err := dec.ReadValue()
			if err != nil {
				return nil, err
			}
			n.names = append(n.names, string(name))
		}
		kid, err := readTree(dec)
		if err != nil {
			return nil, err
		}
		n.kids = append(n.kids, kid)
	}
	_, err := dec.ReadToken()
	return n, err
}

func (n *tree) String() string { return string(n.append(nil)) }

func (n *tree) append(b []byte) []byte {
	if n.kind != '{' && n.kind != '[' {
		return append(b, n.raw...)
	}
	b = append(b, byte(n.kind))
	for i, kid := range n.kids {
		if i > 0 {
			b = append(b, ',')
		}
		if n.kind == '{' {
			b = append(append(b, n.names[i]...), ':')
		}
		b = kid.append(b)
	}
	return append(b, byte(n.kind)+2)
}

func (n *tree) member(name string) *tree {
	if i := slices.Index(n.names, strconv.Quote(name)); i >= 0 {
		return n.kids[i]
	}
	return nil
}

// site is a member of an element of a resource: where a mutation can be made.
type site struct {
	object *tree
	index  int
	typ    string // of the object
	elem   Element
	parent string // path of the object
}

// path is the member's FHIRPath, for an array that of its first entry.
func (s site) path() string {
	if s.elem.Many {
		return s.parent + "." + s.elem.Name + "[0]"
	}
	return s.parent + "." + s.elem.Name
}

// first is the member's value, of an array its first entry.
func (s site) first() **tree {
	if kid := s.object.kids[s.index]; s.elem.Many {
		return &kid.kids[0]
	}
	return &s.object.kids[s.index]
}

// sites lists the members of a resource that have a definition; companions and
// resourceType are none.
func sites(object *tree, typ, path string) []site {
	var out []site
	for i, quoted := range object.names {
		name, err := strconv.Unquote(quoted)
		if err != nil {
			continue
		}
		e, ok := Lookup(typ, name)
		if !ok {
			continue
		}
		out = append(out, site{object, i, typ, e, path})
		kids := []*tree{object.kids[i]}
		if e.Many {
			kids = object.kids[i].kids
		}
		for j, kid := range kids {
			below := path + "." + e.Name
			if e.Many {
				below += "[" + strconv.Itoa(j) + "]"
			}
			switch {
			case kid.kind != '{':
			case e.Type == "resource":
				out = append(out, resourceSites(kid, below)...)
			default:
				out = append(out, sites(kid, e.Type, below)...)
			}
		}
	}
	return out
}

func resourceSites(resource *tree, path string) []site {
	raw := resource.member("resourceType")
	if raw == nil {
		return nil
	}
	typ, err := strconv.Unquote(raw.raw)
	if err != nil {
		return nil
	}
	if path == "" {
		path = typ
	}
	return sites(resource, typ, path)
}

const examplesDir = "../../.cache/r4-examples/package"

// exampleFiles lists the official examples of at most size bytes.
func exampleFiles(t testing.TB, size int64) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(examplesDir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 5300 {
		t.Fatalf("%d examples in %s: run scripts/r4-definitions.sh", len(files), examplesDir)
	}
	return slices.DeleteFunc(files, func(f string) bool {
		info, err := os.Stat(f)
		return err != nil || info.Size() > size || filepath.Base(f) == "package.json"
	})
}
