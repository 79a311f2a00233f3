package index

import (
	"cmp"
	"html"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/path"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/store"
)

// Bounds on the words that a resource is found by.
const (
	maxWords = 1000 // of one resource
	maxWord  = 30   // characters of one word
)

// more is the entry, behind the code, of a resource with more words than entries:
// it has to be looked at.
const more = end

// Full text (R4 3.1.1.4.1, _text and _content): a resource has an entry for each word
// of its narrative, under the code of _text, and for each further word under
// that of _content.
const (
	paramText    = "_text"
	paramContent = "_content"
)

// isWords reports whether a parameter is for full text.
func isWords(name string) bool { return name == paramText || name == paramContent }

// wordsIn gives the words of a text in order, without case and accents: runs of
// letters and digits.
func wordsIn(text string) []string { return appendWords(nil, text) }

func appendWords(words []string, text string) []string {
	text = store.Fold(text)
	start := -1
	for i, r := range text {
		switch {
		case !ofWord(r):
			if start >= 0 {
				words = append(words, text[start:i])
			}
			start = -1
		case start < 0:
			start = i
		}
	}
	if start >= 0 {
		words = append(words, text[start:])
	}
	return words
}

// ofWord reports whether a character of folded text is part of a word.
func ofWord(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || '0' <= r && r <= '9'
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.M, r)
}

// cut gives what of a word is in its entry; whole is false where that is not all.
func cut(word string) (key string, whole bool) {
	if len(word) <= maxWord {
		return word, true
	}
	n := 0
	for i := range word {
		if n++; n > maxWord {
			return word[:i], false
		}
	}
	return word, true
}

// texts gives the texts of a resource, each as its words: of the narrative, and of
// all other elements whose values are words of people or codes.
func texts(doc *path.Doc) (narrative, rest [][]string) {
	words := make([]string, 0, 64) // of all texts
	eachText(doc, func(text string, narrated bool) {
		from := len(words)
		if words = appendWords(words, text); len(words) == from {
			return
		}
		list := &rest
		if narrated {
			list = &narrative
		}
		*list = append(*list, words[from:len(words):len(words)])
	})
	return narrative, rest
}

// eachText calls f with the texts of a resource, that of the narrative first.
func eachText(doc *path.Doc, f func(text string, narrated bool)) {
	var m schema.Model
	own := -1 // where the narrative stands
	for text := range doc.Root().Children("text") {
		if text.Type() != "Narrative" {
			continue
		}
		for div := range text.Children("div") {
			own, _, _ = div.Location()
			f(plainText(div.Literal()), true)
		}
	}
	wanted := func(at path.Place) bool {
		switch m.Name(at.Type) {
		case "string":
			return at.Name != "id" && (at.Name != "reference" || m.Name(at.Parent) != "Reference")
		case "markdown", "code", "xhtml":
			return true
		}
		return false
	}
	for at, it := range doc.Elements(wanted) {
		text := it.Literal()
		if m.Name(at.Type) == "xhtml" {
			if start, _, _ := it.Location(); start == own {
				continue
			}
			text = plainText(text)
		}
		f(text, false)
	}
}

// inline are the elements of XHTML that do not end a word.
var inline = []string{"a", "abbr", "b", "big", "em", "font", "i", "s", "small", "span", "strong", "sub", "sup", "tt", "u"}

// plainText takes the markup off a narrative.
func plainText(xhtml string) string {
	var b strings.Builder
	for {
		text, rest, ok := strings.Cut(xhtml, "<")
		b.WriteString(text)
		if !ok {
			return html.UnescapeString(b.String())
		}
		tag, after, _ := strings.Cut(rest, ">")
		if strings.HasPrefix(rest, "!--") {
			_, after, _ = strings.Cut(rest, "-->")
		}
		name := strings.TrimLeft(tag, "/")
		if i := strings.IndexAny(name, " \t\r\n/"); i >= 0 {
			name = name[:i]
		}
		if !slices.Contains(inline, name) {
			b.WriteByte(' ')
		}
		xhtml = after
	}
}

// wordKeys adds the entries of the words of the resource that was read.
func (s *scratch) wordKeys(typ *Type) {
	text, content := typ.byName[paramText], typ.byName[paramContent]
	if content == nil {
		return
	}
	var moreText, moreContent bool
	eachText(&s.doc, func(t string, narrated bool) {
		p := content
		if narrated {
			p = text
		}
		if p == nil {
			return
		}
		s.words = appendWords(s.words[:0], t)
		for _, w := range s.words {
			w, _ = cut(w)
			switch {
			case s.seen[w]:
			case len(s.seen) == maxWords:
				moreText, moreContent = moreText || narrated, true
			default:
				s.seen[w] = true
				s.keys.add(p.code, w)
			}
		}
	})
	if moreText {
		s.keys.add(text.code, more)
	}
	if moreContent {
		s.keys.add(content.code, more)
	}
}

// words narrows to the resources that have all the words. Whether they stand as
// asked shows by looking.
func (c *compiler) words(p *param, t fhir.Term) (Plan, error) {
	v, ok := t.Value.(fhir.WordsValue)
	if !ok || t.Modifier != "" {
		return Plan{}, fhir.Errorf(fhir.CodeNotSupported, "http."+p.Name, "%s is searched for words, and in no other way.", p.Name)
	}
	words := wordsIn(v.Text)
	if len(words) == 0 {
		return Plan{}, fhir.Errorf(fhir.CodeInvalid, "http."+p.Name, "There is no word in what is searched for.")
	}
	plan := Plan{Where: c.allWords(p, words, v.Prefix)}
	// An entry of full length may be that of a longer word.
	if len(words) == 1 && utf8.RuneCountInString(words[0]) < maxWord {
		sure := c.word(p, words[0], v.Prefix, false)
		plan.Apart = &Apart{Sure: sure, Doubt: store.And{c.more(p), store.Not{Filter: sure}}, Marked: c.more(p)}
	}
	return plan, nil
}

// allWords finds the resources that have all the words, the last of which may be the
// beginning of one.
func (c *compiler) allWords(p *param, words []string, prefix bool) store.Filter {
	last := words[len(words)-1]
	// The longest word is the rarest, as a rule, and the best to begin with.
	slices.SortStableFunc(words, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	var all store.And
	for _, w := range slices.Compact(words) {
		key, whole := cut(w)
		all = append(all, c.word(p, key, prefix && w == last && whole, true))
	}
	if len(all) == 1 {
		return all[0]
	}
	return all
}

// printed narrows :text by the words of what is printed, which are among those of the
// resource; nil where words have no entries.
func (c *compiler) printed(s string) store.Filter {
	content, words := c.typ.byName[paramContent], wordsIn(s)
	if c.NoText || content == nil || len(words) == 0 {
		return nil
	}
	return c.allWords(content, words, true)
}

// word finds the resources that have a word, and with doubt those that may have.
func (c *compiler) word(p *param, w string, beginning, doubt bool) store.Filter {
	codes := []string{p.code}
	if text := c.typ.byName[paramText]; text != nil && p.Name == paramContent {
		codes = append(codes, text.code)
	}
	if beginning {
		var any store.Or
		for _, code := range codes {
			any = append(any, c.prefix(code+w))
		}
		if doubt {
			any = append(any, c.more(p))
		}
		return any
	}
	var keys []store.Value
	for _, code := range codes {
		keys = append(keys, store.String(code+w))
	}
	if doubt {
		keys = append(keys, store.String(p.code+more))
	}
	return c.in(keys)
}

// more finds the resources with more words than entries.
func (c *compiler) more(p *param) store.Filter {
	return c.in([]store.Value{store.String(p.code + more)})
}

// says reports whether the words stand one after the other in one text.
func (c *candidate) says(p *param, v fhir.WordsValue) bool {
	if !c.texted {
		c.narrative, c.rest = texts(c.doc)
		c.texted = true
	}
	want := wordsIn(v.Text)
	found := func(words []string) bool { return stand(words, want, v.Prefix) }
	return slices.ContainsFunc(c.narrative, found) || p.Name == paramContent && slices.ContainsFunc(c.rest, found)
}

// stand reports whether want is a part of words; the last of them may be only the
// beginning of a word.
func stand(words, want []string, prefix bool) bool {
	if len(want) == 0 {
		return false
	}
	last := len(want) - 1
	for at := 0; at+last < len(words); at++ {
		end := words[at+last]
		if slices.Equal(words[at:at+last], want[:last]) && (end == want[last] || prefix && strings.HasPrefix(end, want[last])) {
			return true
		}
	}
	return false
}
