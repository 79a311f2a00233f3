package chartmap

import (
	"regexp"

	"go.yaml.in/yaml/v3"
)

// fan is one entry of fanout.
type fan struct {
	node     *yaml.Node
	suffix   string
	has      []string
	elements []entry
}

func (l *loader) fanout(n *yaml.Node) []fan {
	var out []fan
	seen := map[string]bool{}
	for _, item := range l.items(n, "fanout") {
		f := fan{node: deref(item)}
		for _, e := range l.entries(item, "fanout") {
			switch e.name {
			case "suffix":
				f.suffix = l.suffix(e.value)
				if seen[f.suffix] {
					l.add(e.value, "use another one", "the suffix %q is used twice", f.suffix)
				}
				seen[f.suffix] = true
			case "has":
				for _, p := range l.items(e.value, "has") {
					if path := l.path(p, "has"); path != "" {
						f.has = append(f.has, path)
					}
				}
			case "elements":
				f.elements = l.entries(e.value, "elements")
			default:
				l.unknown(e.key, "fanout", []string{"suffix", "has", "elements"})
			}
		}
		if f.suffix == "" {
			l.add(item, "add suffix: …", "an entry of fanout has no suffix")
		}
		out = append(out, f)
	}
	return out
}

// collisions refuses maps whose documents could get the same id: two
// collections behind one type need fan-out suffixes to tell them apart.
func (l *loader) collisions(headers []*header) {
	first := map[string]*header{}
	for _, h := range headers {
		suffixes := []string{""}
		if len(h.fanout) > 0 {
			suffixes = nil
			for _, f := range h.fanout {
				suffixes = append(suffixes, f.suffix)
			}
		}
		for _, s := range suffixes {
			if h.m.each != nil {
				s = h.m.each.suffix + "-" + s
			}
			key := string(h.m.Resource) + "-" + s
			other := first[key]
			switch {
			case other == nil:
				first[key] = h
			case h.m.each != nil && (other.m.each.array != h.m.each.array || other.m.each.key != h.m.each.key):
				l.add(h.keys["each"], "give one of them another suffix",
					"maps %q and %q make %s of different arrays or keys, so two elements could get the same id", other.m.Name, h.m.Name, h.m.Resource)
			case h.m.group != nil || other.m.group != nil:
				l.add(h.node, "give one of them a fanout with a suffix of its own",
					"maps %q and %q serve %s, and a group could get the id of another resource", other.m.Name, h.m.Name, h.m.Resource)
			case other.m.Collection != h.m.Collection || other.m.id.path != h.m.id.path:
				l.add(h.node, "give one of them a fanout with a suffix of its own",
					"maps %q and %q serve %s from different collections or keys, so two documents could get the same id", other.m.Name, h.m.Name, h.m.Resource)
			}
		}
	}
}

// suffixGrammar keeps fan-out ids within FHIR's grammar, and the "-" in front
// of a suffix recognisable.
var suffixGrammar = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,15}$`)

func (l *loader) suffix(n *yaml.Node) string {
	s := l.str(n, "suffix")
	if !suffixGrammar.MatchString(s) && s != "" {
		l.add(n, "use 1 to 16 letters and digits, a letter first", "%q cannot be the suffix of an id", s)
	}
	return s
}
