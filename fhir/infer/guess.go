package infer

import (
	"slices"
	"strings"
	"unicode"
)

// kind is a resource type with what its documents and fields are called. Names are
// compared word by word; a collection may be called by one of names, and each hint is
// worth its weight when a field answers to it.
type kind struct {
	resource string
	names    []string
	hints    []hint
	elements []element
}

// hint is a field that speaks for a type.
type hint struct {
	words  []string
	weight float64
}

// tokens cuts a name at dots, underscores and changes of case, in lower case.
func tokens(name string) []string {
	var all []string
	var word strings.Builder
	flush := func() {
		if word.Len() > 0 {
			all = append(all, word.String())
			word.Reset()
		}
	}
	lower := false
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
			lower = false
			continue
		case unicode.IsUpper(r) && lower:
			flush()
		}
		lower = unicode.IsLower(r)
		word.WriteRune(unicode.ToLower(r))
	}
	flush()
	return all
}

// answers says how well a field's path answers to one of the words, from 0 to 1:
// wholly by its last part, less as one word of several, or within the path.
func answers(path string, words []string) float64 {
	all := tokens(path)
	if len(all) == 0 {
		return 0
	}
	last := all[len(all)-1]
	part := path[strings.LastIndexByte(path, '.')+1:]
	joined := strings.Join(tokens(part), "")
	switch {
	case slices.Contains(words, joined):
		return 1
	case slices.Contains(words, last):
		return 0.8
	case slices.ContainsFunc(all, func(t string) bool { return slices.Contains(words, t) }):
		return 0.6
	}
	return 0
}

// typeOf guesses what the documents of a sample are; nil when nothing speaks for
// any type.
func typeOf(s *Sample) (*kind, float64) {
	var best *kind
	var top float64
	for i := range kinds {
		k := &kinds[i]
		if score := k.score(s); score > top {
			best, top = k, score
		}
	}
	if top < 0.55 {
		return nil, 0
	}
	return best, min(top, 0.99)
}

// score adds what the name of the collection and its fields say: the name at most
// 0.5, the fields at most 0.7.
func (k *kind) score(s *Sample) float64 {
	score := 0.0
	name := s.Collection[strings.LastIndexByte(s.Collection, '.')+1:]
	for _, t := range tokens(name) {
		if slices.Contains(k.names, t) || slices.Contains(k.names, strings.TrimSuffix(t, "s")) {
			score = 0.5
		}
	}
	var got, all float64
	for _, h := range k.hints {
		all += h.weight
		best := 0.0
		for _, f := range s.Fields {
			if f.Share() >= 0.2 {
				best = max(best, answers(f.Path, h.words))
			}
		}
		got += best * h.weight
	}
	return score + 0.7*got/all
}
