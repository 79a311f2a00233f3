package path

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// tokenKind says what a token is. Punctuation and operators are themselves.
type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokName
	tokQuoted // `name`
	tokString
	tokNumber
	tokTime     // @2026-01-01, @T10:00, without the @
	tokConstant // %name, without the %
	tokSpecial  // $this
	tokOp
)

type token struct {
	kind tokenKind
	text string // decoded
	at   int    // byte offset
}

// SyntaxError says where an expression is malformed.
type SyntaxError struct {
	Offset int // in bytes
	Msg    string
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("FHIRPath, offset %d: %s", e.Offset, e.Msg)
}

// lexer cuts an expression into tokens.
type lexer struct {
	src string
	pos int
}

func (l *lexer) fail(at int, format string, args ...any) error {
	return &SyntaxError{Offset: at, Msg: fmt.Sprintf(format, args...)}
}

// space skips white space and comments.
func (l *lexer) space() error {
	for l.pos < len(l.src) {
		rest := l.src[l.pos:]
		switch {
		case strings.IndexByte(" \t\r\n", rest[0]) >= 0:
			l.pos++
		case strings.HasPrefix(rest, "//"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest)
			}
			l.pos += end
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest, "*/")
			if end < 0 {
				return l.fail(l.pos, "the comment has no end")
			}
			l.pos += end + 2
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) next() (token, error) {
	if err := l.space(); err != nil {
		return token{}, err
	}
	start := l.pos
	if start == len(l.src) {
		return token{kind: tokEnd, at: start}, nil
	}
	switch c := l.src[start]; {
	case letter(c):
		return token{tokName, l.while(func(c byte) bool { return letter(c) || digit(c) }), start}, nil
	case digit(c):
		return token{tokNumber, l.number(), start}, nil
	case c == '\'' || c == '"' || c == '`':
		return l.quoted(c)
	case c == '@':
		l.pos++
		text := l.while(func(c byte) bool { return digit(c) || strings.IndexByte("-:+.TZ", c) >= 0 })
		// A trailing point belongs to the call behind the literal.
		if cut := strings.TrimRight(text, "."); cut != text {
			l.pos -= len(text) - len(cut)
			text = cut
		}
		return token{tokTime, text, start}, nil
	case c == '%':
		return l.constant()
	case c == '$':
		l.pos++
		return token{tokSpecial, l.while(letter), start}, nil
	}
	for _, op := range [...]string{"<=", ">=", "!=", "!~"} {
		if strings.HasPrefix(l.src[start:], op) {
			l.pos += 2
			return token{tokOp, op, start}, nil
		}
	}
	if strings.IndexByte("()[]{}.,+-*/&|=~<>", l.src[start]) < 0 {
		return token{}, l.fail(start, "unexpected character %q", firstRune(l.src[start:]))
	}
	l.pos++
	return token{tokOp, l.src[start:l.pos], start}, nil
}

func (l *lexer) while(ok func(byte) bool) string {
	start := l.pos
	for l.pos < len(l.src) && ok(l.src[l.pos]) {
		l.pos++
	}
	return l.src[start:l.pos]
}

// number reads digits, and a fraction only when a digit follows the point.
func (l *lexer) number() string {
	start := l.pos
	l.while(digit)
	if l.pos+1 < len(l.src) && l.src[l.pos] == '.' && digit(l.src[l.pos+1]) {
		l.pos++
		l.while(digit)
	}
	return l.src[start:l.pos]
}

func (l *lexer) constant() (token, error) {
	start := l.pos
	l.pos++
	if l.pos < len(l.src) && (l.src[l.pos] == '\'' || l.src[l.pos] == '`') {
		t, err := l.quoted(l.src[l.pos])
		return token{tokConstant, t.text, start}, err
	}
	name := l.while(func(c byte) bool { return letter(c) || digit(c) || c == '-' })
	if name == "" {
		return token{}, l.fail(start, "%% must be followed by a name")
	}
	return token{tokConstant, name, start}, nil
}

// quoted reads a string, or an identifier between back quotes. Some of R4's
// expressions have strings between double quotes.
func (l *lexer) quoted(quote byte) (token, error) {
	start := l.pos
	l.pos++
	var b strings.Builder
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; c {
		case quote:
			l.pos++
			kind := tokString
			if quote == '`' {
				kind = tokQuoted
			}
			return token{kind, b.String(), start}, nil
		case '\\':
			if err := l.escape(&b); err != nil {
				return token{}, err
			}
		default:
			b.WriteByte(c)
			l.pos++
		}
	}
	return token{}, l.fail(start, "the quotation has no end")
}

// escape reads a backslash and what it stands for. R4's regular expressions
// escape characters that need not be; those stand for themselves with the
// backslash.
func (l *lexer) escape(b *strings.Builder) error {
	if l.pos+1 >= len(l.src) {
		return l.fail(l.pos, "the quotation has no end")
	}
	c := l.src[l.pos+1]
	l.pos += 2
	if plain := strings.IndexByte("'\"`/\\", c); plain >= 0 {
		b.WriteByte(c)
		return nil
	}
	if i := strings.IndexByte("rntf", c); i >= 0 {
		b.WriteByte("\r\n\t\f"[i])
		return nil
	}
	if c != 'u' {
		b.WriteByte('\\')
		b.WriteByte(c)
		return nil
	}
	if l.pos+4 > len(l.src) {
		return l.fail(l.pos-2, `\u needs four hexadecimal digits`)
	}
	n, err := strconv.ParseUint(l.src[l.pos:l.pos+4], 16, 32)
	if err != nil {
		return l.fail(l.pos-2, `\u needs four hexadecimal digits`)
	}
	l.pos += 4
	b.WriteRune(rune(n))
	return nil
}

func letter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func firstRune(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return s[:n]
}
