package mongo

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/portico-fhir/portico/store"
)

// dialect is what a server's regular expressions can do.
type dialect struct {
	// marks is a class of what store.Fold drops between letters.
	marks string
	// exact says that marks is just that; else it takes more.
	exact bool
	// longest is the most bytes that a pattern may have.
	longest int
}

// pcre is MongoDB's dialect. The server's limit is 32764 bytes; a pattern that
// would come near it is cut short, which finds more, and checked again.
func pcre() dialect { return dialect{marks: `\p{Mn}`, exact: true, longest: 30000} }

// plain is for servers that do not know character properties: a class of few
// ranges that has all marks in it.
func plain() dialect {
	return dialect{
		marks:   "[\u0300-\u036f\u0483-\u1dff\u20d0-\u20ff\u2cef-\u2dff\u302a-\u309a\ua66f-\uabed\ufb1e\ufe00-\ufe2f\U000101fd-\U0001e94a\U000e0100-\U000e01ef]",
		longest: 1000,
	}
}

// table is store.Fold turned round: which runes stand for which folded text.
type table struct {
	first map[rune][]spelling // by the first rune of the folded text
	inner map[rune][]spelling // by each later rune
}

// spelling is a rune and the folded text it stands for.
type spelling struct {
	rune   rune
	folded string
}

// folds makes the table when it is first needed; it takes up to 100 ms.
var folds = sync.OnceValue(func() *table {
	t := &table{first: map[rune][]spelling{}, inner: map[rune][]spelling{}}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		switch r {
		case 0x3400, 0x4E00, 0x17000: // ideographs, which are all their own
			r = map[rune]rune{0x3400: 0x4DBF, 0x4E00: 0x9FFF, 0x17000: 0x1AFFF}[r]
			continue
		case 0x20000:
			r = 0x2F7FF
			continue
		case 0x2FA20: // beyond are none but ideographs and marks
			return t
		}
		if !utf8.ValidRune(r) {
			continue
		}
		folded := store.Fold(string(r))
		for i, f := range folded {
			if i == 0 {
				t.first[f] = append(t.first[f], spelling{r, folded})
			} else {
				t.inner[f] = append(t.inner[f], spelling{r, folded})
			}
		}
	}
	return t
})

// edge is one way to spell the folded text from a rune on: by any of runes,
// which stand for it up to the rune at to.
type edge struct {
	to    int
	runes []rune
}

// lattice holds all ways to spell the folded text v: those from each rune of
// it. Spellings may begin before v (at rune 0, with contains) and end after it.
type lattice [][]edge

func spellings(v []rune, contains bool) lattice {
	t := folds()
	edges := make(lattice, len(v))
	add := func(from, to int, r rune) {
		for i, e := range edges[from] {
			if e.to == to {
				edges[from][i].runes = append(e.runes, r)
				return
			}
		}
		edges[from] = append(edges[from], edge{to, []rune{r}})
	}
	for i := range v {
		known := false
		for _, s := range t.first[v[i]] {
			if n := common([]rune(s.folded), v[i:]); n > 0 {
				add(i, i+n, s.rune)
				known = known || s.rune == v[i]
			}
		}
		if !known { // an ideograph, which is not in the table
			add(i, i+1, v[i])
		}
	}
	if contains && len(v) > 0 {
		for _, s := range t.inner[v[0]] {
			folded := []rune(s.folded)
			for k := 1; k < len(folded); k++ {
				if n := common(folded[k:], v); n > 0 {
					add(0, n, s.rune)
				}
			}
		}
	}
	return edges
}

// common gives the number of runes that a and b share where one is a prefix of
// the other, else 0.
func common(a, b []rune) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return 0
		}
	}
	return n
}

// foldPattern gives a regular expression for the strings whose Folded form
// contains v, or starts with it. Where it is not exact it takes more strings.
func (d dialect) foldPattern(v string, contains bool) (pattern string, exact bool) {
	runes := []rune(store.Fold(v))
	whole := len(runes) <= d.longest
	runes = runes[:min(len(runes), d.longest)] // each takes a byte at least
	ways := spellings(runes, contains)
	var b strings.Builder
	if !contains && len(runes) > 0 {
		b.WriteString("^" + d.marks + "*")
	}
	exact = whole && (d.exact || len(runes) == 0)
	for i := 0; i < len(runes); {
		end := ways.cut(i)
		part, precise := d.stretch(ways, i, end)
		if b.Len()+len(part)+len(d.marks)+1 > d.longest {
			return b.String(), false
		}
		if i > 0 {
			b.WriteString(d.marks + "*")
		}
		b.WriteString(part)
		exact = exact && precise && (d.exact || len(runes) == 1 && contains)
		i = end
	}
	return b.String(), exact
}

// cut finds the next place after from that no spelling reaches across.
func (l lattice) cut(from int) int {
	end := from + 1
	for i := from; i < end; i++ {
		for _, e := range l[i] {
			end = max(end, e.to)
		}
	}
	return end
}

// maxWays bounds the ways to spell one stretch that are written out, and
// maxStretch the runes of such a stretch.
const (
	maxWays    = 64
	maxStretch = 12
)

// stretch gives an expression for the spellings of the runes from..end. With
// too many ways to spell them it takes any text made of the right letters.
func (d dialect) stretch(l lattice, from, end int) (string, bool) {
	if end-from <= maxStretch {
		ways := d.ways(l, from, end)
		if len(ways) == 1 {
			return ways[0], true
		}
		if len(ways) <= maxWays {
			return "(?:" + strings.Join(ways, "|") + ")", true
		}
	}
	var all []rune
	for i := from; i < end; i++ {
		for _, e := range l[i] {
			all = append(all, e.runes...)
		}
	}
	return "(?:" + class(all) + d.marks + "*)+", false
}

// ways lists the spellings from..end, and gives up a little above maxWays.
func (d dialect) ways(l lattice, from, end int) []string {
	if from == end {
		return []string{""}
	}
	var out []string
	for _, e := range l[from] {
		letter := class(e.runes)
		for _, rest := range d.ways(l, e.to, end) {
			if rest != "" {
				rest = d.marks + "*" + rest
			}
			out = append(out, letter+rest)
			if len(out) > maxWays {
				return out
			}
		}
	}
	return out
}
