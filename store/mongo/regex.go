package mongo

import (
	"slices"
	"strings"
)

// class writes runes as a character class, with ranges, in a form that all
// dialects read alike.
func class(runes []rune) string {
	slices.Sort(runes)
	runes = slices.Compact(runes)
	if len(runes) == 1 {
		return escaped(string(runes[0]))
	}
	var b strings.Builder
	b.WriteByte('[')
	for i := 0; i < len(runes); {
		j := i
		for j+1 < len(runes) && runes[j+1] == runes[j]+1 {
			j++
		}
		b.WriteString(escaped(string(runes[i])))
		if j > i+1 {
			b.WriteByte('-')
		}
		if j > i {
			b.WriteString(escaped(string(runes[j])))
		}
		i = j + 1
	}
	b.WriteByte(']')
	return b.String()
}

// escaped writes s so that it stands for itself. MongoDB derives the bounds of
// an index from an expression that begins with ^ and letters, and with
// punctuation after a backslash.
func escaped(s string) string {
	if !strings.ContainsFunc(s, special) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == 0: // which no pattern can contain as it is
			b.WriteString(`\x00`)
			continue
		case special(r):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// special says whether r may mean something in a pattern, or in a class.
func special(r rune) bool {
	return r == 0 || strings.ContainsRune(`\^$.|?*+()[]{}-/#&~"'<>=!:,@%;`+"`", r)
}

// literalPattern gives an expression for the strings that contain v, or start
// with it.
func (d dialect) literalPattern(v string, contains bool) (pattern string, exact bool) {
	anchor := "^"
	if contains {
		anchor = ""
	}
	exact = true
	for {
		pattern = anchor + escaped(v)
		if len(pattern) <= d.longest {
			return pattern, exact
		}
		// What starts with v also starts with its first half.
		v, exact = strings.ToValidUTF8(v[:len(v)/2], ""), false
	}
}
