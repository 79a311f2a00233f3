package schema

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// xhtmlElements are the elements that a narrative may use, sorted (R4 2.4.0).
var xhtmlElements = [...]string{
	"a", "abbr", "acronym", "address", "area", "b", "bdo", "big", "blockquote", "br", "caption", "cite", "code", "col",
	"colgroup", "dd", "dfn", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "kbd", "li",
	"map", "ol", "p", "pre", "q", "samp", "small", "span", "strong", "sub", "sup", "table", "tbody", "td", "tfoot",
	"th", "thead", "tr", "tt", "ul", "var",
}

// xhtmlAttributes are the attributes that every element may have, sorted.
var xhtmlAttributes = [...]string{
	"abbr", "accesskey", "align", "axis", "char", "charoff", "class", "colspan", "dir", "headers", "id", "lang",
	"rowspan", "scope", "span", "style", "tabindex", "title", "valign", "width", "xml:lang", "xmlns",
}

// xhtmlSpecific are the attributes of single elements, as element.attribute, sorted.
var xhtmlSpecific = [...]string{
	"a.charset", "a.coords", "a.href", "a.hreflang", "a.name", "a.rel", "a.rev", "a.shape", "a.type",
	"area.alt", "area.coords", "area.href", "area.nohref", "area.shape",
	"blockquote.cite", "img.alt", "img.border", "img.height", "img.ismap", "img.longdesc", "img.src", "img.usemap",
	"map.name", "pre.space", "pre.xml:space", "q.cite",
	"table.border", "table.cellpadding", "table.cellspacing", "table.frame", "table.rules", "table.summary",
	"td.nowrap", "th.nowrap",
}

// xmlEntities are the named references that XML knows without a DTD, and
// xmlEntityText the characters they stand for.
var xmlEntities = [...]string{"lt", "gt", "amp", "quot", "apos"}

const xmlEntityText = `<>&"'`

// attribute checks one attribute of an element, and returns what is wrong.
func attribute(element string, name, value []byte) string {
	if _, ok := slices.BinarySearchFunc(xhtmlAttributes[:], name, func(a string, n []byte) int { return strings.Compare(a, string(n)) }); !ok {
		if _, ok := slices.BinarySearch(xhtmlSpecific[:], element+"."+string(name)); !ok {
			return "the attribute " + clip(name) + " is not allowed in <" + element + ">"
		}
	}
	switch string(name) {
	case "xmlns":
		if string(value) != xhtmlNamespace {
			return "xmlns must be " + xhtmlNamespace
		}
	case "style":
		if !safeStyle(decode(value)) {
			return "the style contains what is not allowed: absolute URLs, expressions, imports, behaviours, escapes or comments"
		}
	case "href", "src", "cite", "longdesc", "usemap":
		if !safeURL(decode(value), string(name) == "src") {
			return "the URL of " + string(name) + " has a scheme that is not allowed"
		}
	}
	return ""
}

// safeStyle reports whether a style runs nothing and loads nothing from
// elsewhere. Escapes and comments could hide words from this check.
func safeStyle(style []byte) bool {
	lower := bytes.ToLower(visible(style))
	for _, word := range []string{"\\", "/*", "expression", "script:", "behavior", "behaviour", "-moz-binding", "@import", "image("} {
		if bytes.Contains(lower, []byte(word)) {
			return false
		}
	}
	for {
		_, rest, found := bytes.Cut(lower, []byte("url"))
		if !found {
			return true
		}
		lower = rest
		target, ok := bytes.CutPrefix(rest, []byte("("))
		if !ok {
			continue
		}
		target = bytes.TrimLeft(target, "\"'")
		if bytes.HasPrefix(target, []byte("//")) || !bytes.HasPrefix(target, []byte("data:image/")) && hasScheme(target) {
			return false
		}
	}
}

// hasScheme reports whether a URL in a style, and whatever follows it, starts
// with a scheme.
func hasScheme(url []byte) bool {
	end := bytes.IndexAny(url, ":/?#)\"'")
	return end >= 0 && url[end] == ':'
}

// safeURL reports whether a URL is relative, a fragment, or of a scheme that
// runs nothing.
func safeURL(url []byte, image bool) bool {
	scheme, rest, found := bytes.Cut(bytes.ToLower(visible(url)), []byte(":"))
	if !found || bytes.ContainsAny(scheme, "/?#") {
		return true
	}
	switch string(scheme) {
	case "http", "https", "ftp", "mailto", "tel", "urn", "cid":
		return true
	case "data":
		return image && bytes.HasPrefix(rest, []byte("image/")) && !bytes.HasPrefix(rest, []byte("image/svg"))
	}
	return false
}

// visible drops white space and control characters, as browsers do before they
// look at a URL.
func visible(text []byte) []byte {
	return bytes.Map(func(c rune) rune {
		if c <= ' ' || c >= 0x7f && c <= 0xa0 {
			return -1
		}
		return c
	}, text)
}

// decode replaces the references to characters in an attribute's value.
func decode(value []byte) []byte {
	if bytes.IndexByte(value, '&') < 0 {
		return value
	}
	var out []byte
	for len(value) > 0 {
		if value[0] == '&' {
			if c, n := reference(value); n > 0 {
				out = append(out, string(c)...)
				value = value[n:]
				continue
			}
		}
		out = append(out, value[0])
		value = value[1:]
	}
	return out
}

// reference reads &name; or &#number; at the start of text: the character and
// the length, 0 when it is none.
func reference(text []byte) (c rune, n int) {
	end := bytes.IndexByte(text[:min(len(text), 16)], ';')
	if end < 2 {
		return 0, 0
	}
	body := string(text[1:end])
	if body[0] != '#' {
		i := slices.Index(xmlEntities[:], body)
		if i < 0 {
			return 0, 0
		}
		return rune(xmlEntityText[i]), end + 1
	}
	var v uint64
	var err error
	if hex, ok := strings.CutPrefix(body, "#x"); ok {
		v, err = strconv.ParseUint(hex, 16, 32)
	} else {
		v, err = strconv.ParseUint(body[1:], 10, 32)
	}
	if err != nil || !xmlChar(rune(v)) {
		return 0, 0
	}
	return rune(v), end + 1
}

// xmlChar reports whether XML 1.0 allows the character.
func xmlChar(c rune) bool {
	return c == '\t' || c == '\n' || c == '\r' || c >= 0x20 && c <= 0xd7ff || c >= 0xe000 && c <= 0xfffd || c >= 0x10000 && c <= 0x10ffff
}
