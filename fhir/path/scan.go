package path

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// scanner steps over JSON that was found to be valid before. On other text it
// stops with errShape, or takes a part of it for JSON.
type scanner struct {
	text string
	pos  int
}

// peek skips white space and tells what comes: '{', '[', '"', '0' for a number,
// 't', 'f', 'n', or another character; 0 at the end.
func (s *scanner) peek() byte {
	for ; s.pos < len(s.text); s.pos++ {
		switch c := s.text[s.pos]; {
		case c == ' ' || c == '\n' || c == '\t' || c == '\r':
		case c == '-' || '0' <= c && c <= '9':
			return '0'
		default:
			return c
		}
	}
	return 0
}

// open steps over a bracket, if one comes.
func (s *scanner) open(bracket byte) {
	if s.peek() == bracket {
		s.pos++
	}
}

// key reads the name of the next member; more is false when the object ended
// instead, which is then stepped over.
func (s *scanner) key() (name string, more bool, err error) {
	if s.peek() == ',' {
		s.pos++
	}
	switch s.peek() {
	case '}':
		s.pos++
		return "", false, nil
	case '"':
	default:
		return "", false, errShape
	}
	start := s.pos
	if err := s.str(); err != nil {
		return "", false, err
	}
	name, ok := unquote(s.text[start:s.pos])
	if !ok || s.peek() != ':' {
		return "", false, errShape
	}
	s.pos++
	return name, true, nil
}

// element goes to the next value of an array; more is false when it ended.
func (s *scanner) element() (more bool, err error) {
	if s.peek() == ',' {
		s.pos++
	}
	switch s.peek() {
	case ']':
		s.pos++
		return false, nil
	case 0:
		return false, errShape
	}
	return true, nil
}

// str steps over a string.
func (s *scanner) str() error {
	for s.pos++; ; {
		i := strings.IndexByte(s.text[min(s.pos, len(s.text)):], '"')
		if i < 0 {
			return errShape
		}
		end := s.pos + i
		escape := end
		for escape > s.pos && s.text[escape-1] == '\\' {
			escape--
		}
		s.pos = end + 1
		if (end-escape)%2 == 0 {
			return nil
		}
	}
}

// skip steps over a value of any kind.
func (s *scanner) skip() error {
	for depth := 0; ; {
		switch c := s.peek(); c {
		case '{', '[':
			depth++
			s.pos++
		case '}', ']':
			depth--
			s.pos++
		case ',', ':':
			s.pos++
		case '"':
			if err := s.str(); err != nil {
				return err
			}
		case 0:
			return errShape
		default:
			if err := s.word(); err != nil {
				return err
			}
		}
		if depth < 0 {
			return errShape
		}
		if depth == 0 {
			return nil
		}
	}
}

// word steps over a number, true, false or null.
func (s *scanner) word() error {
	start := s.pos
	for ; s.pos < len(s.text); s.pos++ {
		switch s.text[s.pos] {
		case ' ', '\n', '\t', '\r', ',', ':', '"', '{', '}', '[', ']':
			if s.pos == start {
				return errShape
			}
			return nil
		}
	}
	return nil
}

// unquote gives the text of a JSON string, without a copy where nothing is
// escaped.
func unquote(raw string) (string, bool) {
	if len(raw) >= 2 && strings.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], true
	}
	text, err := jsontext.AppendUnquote(nil, raw)
	return string(text), err == nil
}
