package search

import (
	"slices"
	"strings"
	"unicode"

	"github.com/portico-fhir/portico/fhir"
)

// maxNesting bounds the parentheses of a full-text search.
const maxNesting = 10

// isText reports whether a parameter is for full text (R4 3.1.1.4.1).
func isText(p *fhir.SearchParam) bool { return p.Name == "_text" || p.Name == "_content" }

// text reads what is searched for in full text. The specification leaves the syntax
// to servers; this one is
//
//	or    = and *( ("OR" / ",") and )
//	and   = not *( ["AND"] not )
//	not   = ["NOT"] ( "(" or ")" / phrase / word ["*"] )
//
// with phrases in double quotes and the three words in any case.
func (r *reader) text(param *fhir.SearchParam, modifier string, p Pair) fhir.Expr {
	if modifier != "" {
		r.refuse(p.Name, "The modifier :%s is not supported on %s.", modifier, param.Name)
		return nil
	}
	t := textParser{param: param, tokens: textTokens(unescape(p.Value))}
	e := t.or(0)
	switch {
	case t.problem == "" && t.at < len(t.tokens):
		t.problem = "A closing parenthesis has none that opens."
	case t.problem == "" && !positive(e):
		t.problem = "A full-text search has to name a word that is wanted, not only such as are not."
	}
	if t.problem != "" {
		r.fail(fhir.CodeInvalid, p.Name, "%s", t.problem)
		return nil
	}
	if r.values += len(t.tokens); r.values > maxValues {
		r.fail(fhir.CodeTooCostly, p.Name, "The search has more than %d values.", maxValues)
		return nil
	}
	return e
}

// positive reports whether a condition asks for something that is there.
func positive(e fhir.Expr) bool {
	switch e := e.(type) {
	case fhir.And:
		return slices.ContainsFunc(e, positive)
	case fhir.Or:
		return !slices.ContainsFunc(e, func(e fhir.Expr) bool { return !positive(e) })
	case fhir.Not:
		return false
	}
	return true
}

// textToken is a word, a phrase or a sign; quoted tells the first two apart from
// the words that mean something.
type textToken struct {
	text   string
	quoted bool
	prefix bool
}

// textTokens cuts at white space, commas, parentheses and quotes. A quote without a
// second one reaches to the end.
func textTokens(s string) []textToken {
	var out []textToken
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		switch s[0] {
		case '(', ')', ',':
			out, s = append(out, textToken{text: s[:1]}), s[1:]
			continue
		case '"':
			phrase, rest, _ := strings.Cut(s[1:], `"`)
			out, s = append(out, textToken{text: phrase, quoted: true}), rest
			continue
		}
		end := strings.IndexFunc(s, func(c rune) bool { return unicode.IsSpace(c) || strings.ContainsRune(`(),"`, c) })
		if end < 0 {
			end = len(s)
		}
		word, prefix := strings.CutSuffix(s[:end], "*")
		out, s = append(out, textToken{text: word, prefix: prefix}), s[end:]
	}
	return out
}

type textParser struct {
	param   *fhir.SearchParam
	tokens  []textToken
	at      int
	problem string
}

// is reports whether the next token is one of these signs or words, and not a word to
// look for.
func (t *textParser) is(signs ...string) bool {
	if t.at == len(t.tokens) || t.tokens[t.at].quoted || t.tokens[t.at].prefix {
		return false
	}
	return slices.ContainsFunc(signs, func(s string) bool { return strings.EqualFold(s, t.tokens[t.at].text) })
}

func (t *textParser) or(depth int) fhir.Expr {
	any := fhir.Or{t.and(depth)}
	for t.problem == "" && t.is("or", ",") {
		t.at++
		any = append(any, t.and(depth))
	}
	if len(any) == 1 {
		return any[0]
	}
	return any
}

func (t *textParser) and(depth int) fhir.Expr {
	all := fhir.And{t.not(depth)}
	for t.problem == "" && t.at < len(t.tokens) && !t.is("or", ",", ")") {
		if t.is("and") {
			t.at++
		}
		all = append(all, t.not(depth))
	}
	if len(all) == 1 {
		return all[0]
	}
	return all
}

func (t *textParser) not(depth int) fhir.Expr {
	if t.is("not") {
		t.at++
		return fhir.Not{Expr: t.one(depth)}
	}
	return t.one(depth)
}

func (t *textParser) one(depth int) fhir.Expr {
	switch {
	case t.at == len(t.tokens), t.is("and", "or", "not", ",", ")"):
		t.problem = "A word is missing in the full-text search. AND, OR and NOT are looked for in quotes."
		return nil
	case t.is("("):
		if depth == maxNesting {
			t.problem = "The parentheses of the full-text search are nested too deeply."
			return nil
		}
		t.at++
		e := t.or(depth + 1)
		if t.problem == "" && !t.is(")") {
			t.problem = "A parenthesis is not closed."
		}
		t.at++
		return e
	}
	token := t.tokens[t.at]
	t.at++
	if strings.IndexFunc(token.text, func(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }) < 0 {
		t.problem = "Full text is searched for words: there is no letter or digit in what is looked for."
		return nil
	}
	if strings.Contains(token.text, "*") && !token.quoted {
		t.problem = "An asterisk stands at the end of a word, for any other end of it."
		return nil
	}
	return fhir.Term{Param: t.param, Value: fhir.WordsValue{Text: token.text, Prefix: token.prefix}}
}
