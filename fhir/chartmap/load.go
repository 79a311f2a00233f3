package chartmap

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/portico-fhir/portico/fhir"
)

// Load reads a chart map in YAML 1.2 or JSON. Name is its path: it stands in the
// problems, and code tables in files are looked for next to it. The error is a
// Problems with everything that is wrong.
func Load(data []byte, name string) (*Map, error) {
	return LoadFS(os.DirFS(filepath.Dir(name)), filepath.Base(name), data, name)
}

// LoadFS is Load with the code tables read from files, in which the chart map's
// path is path.
func LoadFS(files fs.FS, path string, data []byte, name string) (*Map, error) {
	l := &loader{files: files, mapPath: path}
	l.problems.file = name
	m := l.load(data)
	if errs := l.sorted(false); len(errs) > 0 {
		return nil, errs
	}
	m.Warnings = l.sorted(true)
	return m, nil
}

// loader reads one chart map.
type loader struct {
	problems
	files   fs.FS
	mapPath string // of the chart map within files

	m             *Map
	database      string
	unmapped      string
	onUnknownCode string
	tables        map[string]*table
	known         map[fhir.Type]ids // what stands in the ids of a type
}

var topKeys = []string{"chartmap", "source", "defaults", "codes", "maps"}

// maxBytes and maxNodes bound a chart map; anchors count as often as they are used.
const (
	maxBytes = 4 << 20
	maxNodes = 200_000
)

func (l *loader) load(data []byte) *Map {
	l.m = &Map{Name: l.problems.file, Location: time.UTC, types: map[fhir.Type]*served{}}
	l.unmapped, l.onUnknownCode = "overflow", "keep-local"
	l.tables = map[string]*table{}
	root := l.parse(data)
	if root == nil {
		return l.m
	}
	top := map[string]*yaml.Node{}
	for _, e := range l.entries(root, "the chart map") {
		if !slices.Contains(topKeys, e.name) {
			l.unknown(e.key, "the chart map", topKeys)
			continue
		}
		top[e.name] = e.value
	}
	if n := top["chartmap"]; n == nil {
		l.add(root, "begin with: chartmap: 1", "this is not a chart map")
	} else if v, ok := l.scalar(n).(int64); !ok || v != 1 {
		l.add(n, "write: chartmap: 1", "only version 1 of the chart map is known")
	}
	if n := top["source"]; n != nil {
		l.source(n)
	}
	if n := top["defaults"]; n != nil {
		l.defaults(n)
	}
	if n := top["codes"]; n != nil {
		for _, e := range l.entries(n, "codes") {
			l.tables[e.name] = l.table(e.name, e.value)
		}
	}
	if n := top["maps"]; n == nil {
		l.add(root, "add maps with at least one entry", "the chart map has no maps")
	} else {
		l.maps(n)
	}
	for name, t := range l.tables {
		if !t.used {
			l.warn(t.node, "remove it, or name it in a $codes", "code table %q is not used", name)
		}
	}
	return l.m
}

// yamlLine finds the position in the YAML package's messages.
var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

func (l *loader) parse(data []byte) *yaml.Node {
	at := &yaml.Node{Line: 1, Column: 1}
	if len(data) > maxBytes {
		l.add(at, "", "the chart map is larger than %d bytes", maxBytes)
		return nil
	}
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	err := dec.Decode(&doc)
	if err != nil {
		message := err.Error()
		if m := yamlLine.FindStringSubmatch(message); m != nil {
			message = m[2]
			if line, err := strconv.Atoi(m[1]); err == nil {
				at.Line = line
			}
		}
		if errors.Is(err, io.EOF) {
			message = "the file is empty"
		}
		l.add(at, "", "not YAML: %s", message)
		return nil
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		l.add(at, "keep one chart map in a file", "there is more than one YAML document, or something unreadable behind the first")
		return nil
	}
	if len(doc.Content) != 1 {
		l.add(at, "", "the file is empty")
		return nil
	}
	if countNodes(doc.Content[0], map[*yaml.Node]bool{}, maxNodes) < 0 {
		l.add(at, "use fewer anchors", "the chart map is too large, or an anchor contains itself")
		return nil
	}
	return doc.Content[0]
}

// countNodes takes the size of n, aliases resolved, off left; below 0 there are too many.
func countNodes(n *yaml.Node, open map[*yaml.Node]bool, left int) int {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if left--; left < 0 || open[n] || len(open) > 200 {
		return -1
	}
	open[n] = true
	for _, c := range n.Content {
		if left = countNodes(c, open, left); left < 0 {
			return -1
		}
	}
	delete(open, n)
	return left
}

func (l *loader) source(n *yaml.Node) {
	for _, e := range l.entries(n, "source") {
		switch e.name {
		case "kind":
			l.oneOf(e.value, "kind", "mongodb")
		case "database":
			l.database = l.str(e.value, "database")
			if strings.ContainsAny(l.database, `./\ "$*<>:|?`) {
				l.add(e.value, "", "%q cannot be the name of a database", l.database)
			}
		default:
			l.unknown(e.key, "source", []string{"kind", "database"})
		}
	}
}

func (l *loader) defaults(n *yaml.Node) {
	for _, e := range l.entries(n, "defaults") {
		switch e.name {
		case "timezone":
			if loc := l.zone(e.value, "timezone"); loc != nil {
				l.m.Location = loc
			}
		case "unmapped":
			l.unmapped = l.oneOf(e.value, "unmapped", "overflow", "reject")
		case "onUnknownCode":
			l.onUnknownCode = l.oneOf(e.value, "onUnknownCode", "keep-local", "data-absent", "error")
		default:
			l.unknown(e.key, "defaults", []string{"timezone", "unmapped", "onUnknownCode"})
		}
	}
}

func (l *loader) zone(n *yaml.Node, what string) *time.Location {
	name := l.str(n, what)
	if name == "" {
		return nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		l.add(n, "use a name of the IANA database, such as Europe/Oslo or UTC", "%s: there is no time zone %q", what, name)
		return nil
	}
	return loc
}

var mapKeys = []string{
	"name", "resource", "from", "where", "id", "version", "updated", "history", "compartment", "visible", "labels", "fanout", "each", "groupBy",
	"onCreate", "newId", "transitions", "writable", "review", "unmapped", "concurrency", "elements",
}

// header is an entry of maps before its elements are read.
type header struct {
	m        *Mapping
	node     *yaml.Node
	keys     map[string]*yaml.Node
	fanout   []fan
	elements []entry
}

func (l *loader) maps(n *yaml.Node) {
	l.known = map[fhir.Type]ids{}
	var headers []*header
	names := map[string]bool{}
	for _, item := range l.items(n, "maps") {
		h := l.header(item)
		if h == nil {
			continue
		}
		if names[h.m.Name] && h.m.Name != "" {
			l.add(h.keys["name"], "give each map its own name", "there are two maps with the name %q", h.m.Name)
		}
		names[h.m.Name] = true
		known := l.known[h.m.Resource]
		if known.suffixes == nil {
			known = ids{suffixes: map[string]bool{}, arrays: map[string]bool{}}
			l.known[h.m.Resource] = known
		}
		for _, f := range h.fanout {
			known.suffixes[f.suffix] = true
		}
		if h.m.each != nil {
			known.arrays[h.m.each.suffix] = true
		}
		headers = append(headers, h)
	}
	l.collisions(headers)
	for _, h := range headers { // the suffixes of all types are known now
		l.m.Maps = append(l.m.Maps, h.m)
		l.compile(h)
	}
	l.reviewable(headers)
	for _, s := range l.m.types {
		s.describe(l.m.Location)
	}
}

func (l *loader) header(n *yaml.Node) *header {
	n = deref(n)
	h := &header{m: &Mapping{Line: n.Line, Writable: true, Allows: Allows{Create: true, Update: true}, NewID: "objectId", Unmapped: l.unmapped, Concurrency: "version", scope: newScope(false)}, node: n, keys: map[string]*yaml.Node{}}
	m := h.m
	what := "a map"
	for _, e := range l.entries(n, what) {
		h.keys[e.name] = e.value
		switch e.name {
		case "name":
			m.Name = l.str(e.value, "name")
			what = "map " + strconv.Quote(m.Name)
		case "resource":
			m.Resource = l.resource(e.value, "resource")
		case "from":
			m.Collection = l.collection(e.value)
		case "where":
			m.Where = l.where(e.value, "where")
		case "visible":
			m.Visible = l.where(e.value, "visible")
		case "id":
			m.id = l.top(e.value, "id", m.scope)
		case "version":
			m.version = l.top(e.value, "version", m.scope)
		case "updated":
			m.updated = &moment{ref: l.top(e.value, "updated", m.scope), millis: true, zone: time.UTC, loc: l.m.Location}
		case "history":
			l.history(m, e.value)
		case "fanout":
			h.fanout = l.fanout(e.value)
		case "each":
			m.each = l.eachOf(e.value)
		case "groupBy":
			m.group = l.groupOf(e.value)
		case "elements":
			h.elements = l.entries(e.value, "elements")
		default:
			if !l.access(m, e) {
				l.unknown(e.key, what, mapKeys)
			}
		}
	}
	for _, key := range []string{"name", "resource", "from", "id", "elements"} {
		if h.keys[key] == nil && (key != "id" || h.keys["groupBy"] == nil) {
			l.add(n, "add "+key+": …", "%s has no %s", what, key)
		}
	}
	if n := h.keys["history"]; n != nil && h.keys["version"] == nil {
		l.add(n, "add version: the field that tells them apart", "%s has a history without a version", what)
	}
	if g := m.group; g != nil {
		g.version, m.version.path = m.version.path, ""
		if g.version != "" {
			m.version = m.scope.hidden(versionField)
		}
		if m.updated != nil {
			g.max = append(g.max, m.updated.path)
		}
		m.id, g.same = m.scope.field(g.key), m.owners()
	}
	if m.each != nil {
		m.element = m.scope.hidden(elementField)
	}
	if m.viewed() {
		l.view(h, what)
	}
	if m.Resource == "" || m.Collection == "" || m.id.path == "" {
		return nil
	}
	return h
}

// history reads where old versions are.
func (l *loader) history(m *Mapping, n *yaml.Node) {
	for _, e := range l.entries(n, "history") {
		switch e.name {
		case "from":
			m.Archive = l.collection(e.value)
		case "key":
			m.archived = newScope(false).field(l.path(e.value, "key"))
		default:
			l.unknown(e.key, "history", []string{"from", "key"})
		}
	}
	if m.Archive == "" || m.archived.path == "" {
		l.add(n, "write { from: collection, key: field with the key of the document }", "history needs from and key")
	}
}

func (l *loader) top(n *yaml.Node, what string, sc *scope) ref {
	return sc.field(l.path(n, what))
}

func (l *loader) resource(n *yaml.Node, what string) fhir.Type {
	s := l.str(n, what)
	t := fhir.Type(s)
	if s == "" || t.Valid() {
		return t
	}
	var names []string
	for _, t := range fhir.Types() {
		names = append(names, string(t))
	}
	fix := ""
	if near := fhir.Nearest(s, names); near != "" {
		fix = "did you mean " + near + "?"
	}
	l.add(n, fix, "%s: %q is no resource type of R4", what, s)
	return ""
}

func (l *loader) collection(n *yaml.Node) string {
	s := l.str(n, "from")
	if strings.ContainsAny(s, "$\x00") || strings.HasPrefix(s, "system.") {
		l.add(n, "", "%q cannot be the name of a collection", s)
		return ""
	}
	if s != "" && l.database != "" {
		return l.database + "." + s
	}
	return s
}

// access reads the keys about writing and access.
func (l *loader) access(m *Mapping, e entry) bool {
	switch e.name {
	case "compartment":
		m.Compartment = map[fhir.Type]string{}
		for _, c := range l.entries(e.value, "compartment") {
			t := l.resource(c.key, "compartment")
			if p := l.path(c.value, "compartment"); t != "" && p != "" {
				m.Compartment[t] = p
			}
		}
	case "labels": // when the rules are known
	case "onCreate": // when the rules are known
	case "transitions":
		m.Transitions = map[string]map[string][]string{}
		for _, actor := range l.entries(e.value, "transitions") {
			who := l.oneOf(actor.key, "an actor of transitions", actors()...)
			m.Transitions[who] = map[string][]string{}
			for _, from := range l.entries(actor.value, "transitions") {
				to := []string{}
				for _, state := range l.items(from.value, "transitions") {
					to = append(to, l.str(state, "a state"))
				}
				m.Transitions[who][from.name] = to
			}
		}
	case "writable":
		l.writable(m, e.value)
	case "newId":
		l.newID(m, e.value)
	case "review": // when the type is known
	case "unmapped":
		m.Unmapped = l.oneOf(e.value, "unmapped", "overflow", "reject")
	case "concurrency":
		m.Concurrency = l.oneOf(e.value, "concurrency", "version", "document")
	default:
		return false
	}
	return true
}

// writable reads what the EHR takes: true is to create and to update; a deletion has to be
// asked for by name.
func (l *loader) writable(m *Mapping, n *yaml.Node) {
	n = deref(n)
	if n.Kind != yaml.SequenceNode {
		m.Writable = l.boolean(n, "writable")
		m.Allows = Allows{Create: m.Writable, Update: m.Writable}
		return
	}
	m.Allows = Allows{}
	for _, item := range n.Content {
		switch l.oneOf(item, "writable", "create", "update", "delete") {
		case "create":
			m.Allows.Create = true
		case "update":
			m.Allows.Update = true
		case "delete":
			m.Allows.Delete = true
		}
	}
	m.Writable = m.Allows != Allows{}
}

// actors are who may write, as policy sees them.
func actors() []string {
	return []string{"patient", "proxy", "clinician", "staff", "system", "sender", "recipient"}
}
