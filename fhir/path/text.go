package path

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

func dayStart(y int, m time.Month, d int) time.Time {
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// text holds the functions on strings (FHIRPath 2.0, 5.6). Positions and
// lengths count characters.
func (ev *evaluator) text(name string, in Collection, args []Collection) (Collection, bool, error) {
	switch name {
	case "join":
		c, err := join(in, args)
		return c, true, err
	case "indexOf", "substring", "startsWith", "endsWith", "contains", "upper", "lower", "replace",
		"matches", "replaceMatches", "length", "toChars", "trim", "split":
	default:
		return nil, false, nil
	}
	s, ok, err := oneText(in)
	if err != nil || !ok {
		return nil, true, err
	}
	if err := ev.spend(len(s) / 16); err != nil {
		return nil, true, err
	}
	if name == "substring" {
		c, err := substring(s, args)
		return c, true, err
	}
	var arg [2]string
	for i, a := range args {
		if arg[i], ok, err = oneText(a); err != nil || !ok {
			return nil, true, err
		}
	}
	c, err := ev.onString(name, s, arg)
	return c, true, err
}

func (ev *evaluator) onString(name, s string, arg [2]string) (Collection, error) {
	switch name {
	case "startsWith":
		return boolean(strings.HasPrefix(s, arg[0])), nil
	case "endsWith":
		return boolean(strings.HasSuffix(s, arg[0])), nil
	case "contains":
		return boolean(strings.Contains(s, arg[0])), nil
	case "upper":
		return Collection{Text(strings.ToUpper(s))}, nil
	case "lower":
		return Collection{Text(strings.ToLower(s))}, nil
	case "trim":
		return Collection{Text(strings.TrimSpace(s))}, nil
	case "length":
		return Collection{Int(int64(utf8.RuneCountInString(s)))}, nil
	case "indexOf":
		i := strings.Index(s, arg[0])
		if i > 0 {
			i = utf8.RuneCountInString(s[:i])
		}
		return Collection{Int(int64(i))}, nil
	case "toChars":
		return ev.strings(strings.Split(s, ""))
	case "split":
		return ev.strings(strings.Split(s, arg[0]))
	case "replace":
		return ev.bounded(s, arg[1], strings.ReplaceAll, arg[0])
	}
	re, err := compileRegexp(arg[0])
	if err != nil {
		return nil, err
	}
	if name == "matches" {
		return boolean(re.MatchString(s)), nil
	}
	return ev.bounded(s, arg[1], func(s, _, with string) string { return re.ReplaceAllString(s, with) }, "")
}

// bounded replaces, unless the result could grow beyond what steps allow.
func (ev *evaluator) bounded(s, with string, replace func(s, old, with string) string, old string) (Collection, error) {
	if err := ev.spend((len(s) + 1) * (len(with) + 1) / 16); err != nil {
		return nil, err
	}
	return Collection{Text(replace(s, old, with))}, nil
}

// compileRegexp reads a pattern; Go's engine takes time linear in the text
// whatever the pattern. A point also matches line breaks, as in the reference
// implementations.
func compileRegexp(pattern string) (*regexp.Regexp, error) {
	re, err := regexp.Compile("(?s)" + pattern)
	if err != nil {
		return nil, fmt.Errorf("%w: not a regular expression", errEval)
	}
	return re, nil
}

func (ev *evaluator) strings(parts []string) (Collection, error) {
	if err := ev.spend(len(parts)); err != nil {
		return nil, err
	}
	out := make(Collection, len(parts))
	for i, p := range parts {
		out[i] = Text(p)
	}
	return out, nil
}

func substring(s string, args []Collection) (Collection, error) {
	if len(args[0]) == 0 {
		return nil, nil
	}
	start, err := oneInt(args[0])
	if err != nil {
		return nil, err
	}
	chars := []rune(s)
	if start < 0 || start >= int64(len(chars)) {
		return nil, nil
	}
	rest := chars[start:]
	if len(args) == 2 && len(args[1]) > 0 {
		n, err := oneInt(args[1])
		if err != nil {
			return nil, err
		}
		rest = rest[:min(max(n, 0), int64(len(rest)))]
	}
	return Collection{Text(string(rest))}, nil
}

func join(in Collection, args []Collection) (Collection, error) {
	separator := ""
	if len(args) == 1 {
		var err error
		if separator, _, err = oneText(args[0]); err != nil {
			return nil, err
		}
	}
	parts := make([]string, len(in))
	for i, it := range in {
		var err error
		if parts[i], _, err = oneText(Collection{it}); err != nil {
			return nil, err
		}
	}
	if len(parts) == 0 {
		return nil, nil
	}
	return Collection{Text(strings.Join(parts, separator))}, nil
}
