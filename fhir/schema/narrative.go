package schema

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// xhtmlNamespace is that of a narrative's root.
const xhtmlNamespace = "http://www.w3.org/1999/xhtml"

// maxNesting limits how deep the elements of a narrative nest.
const maxNesting = 128

// narrative checks Narrative.div (R4 2.4.0): one well-formed <div> of the XHTML
// namespace with the elements and attributes of HTML 4.0 chapters 7 to 11 (but
// for section 9.4) and 15, images and style; no head, body, forms, scripts,
// frames, objects, event handlers, stylesheets or deprecated elements, and some
// content. It returns what is wrong, or "".
//
// What is refused beyond well-formedness is what a browser may read differently
// from an XML parser: CDATA sections, processing instructions, DOCTYPEs and odd
// comments. The narrative is shown by apps as HTML.
func narrative(text []byte) string {
	x := xhtml{rest: bytes.TrimSpace(text)}
	if !bytes.HasPrefix(x.rest, []byte("<div")) {
		return "it must start with <div"
	}
	for len(x.rest) > 0 && x.fault == "" {
		x.step()
	}
	switch {
	case x.fault != "":
		return x.fault
	case len(x.open) > 0:
		return fmt.Sprintf("<%s> is not closed", x.open[len(x.open)-1])
	case !x.content:
		return "it has no content (txt-2)"
	}
	return ""
}

// xhtml consumes rest from the left; the first fault sticks.
type xhtml struct {
	rest    []byte
	open    []string // elements not yet closed, by their name in the table
	closed  bool     // the root was closed
	content bool     // text or an image was seen
	fault   string
}

func (x *xhtml) fail(format string, args ...any) {
	if x.fault == "" {
		x.fault = fmt.Sprintf(format, args...)
	}
}

// step consumes text, a comment, or a tag.
func (x *xhtml) step() {
	if x.closed {
		x.fail("something follows the </div> of the root")
		return
	}
	if x.rest[0] != '<' {
		x.text()
		return
	}
	switch {
	case bytes.HasPrefix(x.rest, []byte("<!--")):
		x.comment()
	case bytes.HasPrefix(x.rest, []byte("</")):
		x.endTag()
	case len(x.rest) > 1 && (x.rest[1] == '!' || x.rest[1] == '?'):
		x.fail("only elements, text and comments are allowed: no CDATA sections, processing instructions or DOCTYPE")
	default:
		x.startTag()
	}
}

func (x *xhtml) text() {
	end := bytes.IndexByte(x.rest, '<')
	if end < 0 {
		end = len(x.rest)
	}
	text := x.rest[:end]
	x.rest = x.rest[end:]
	if bytes.Contains(text, []byte("]]>")) {
		x.fail("]]> cannot stand in text")
	}
	x.content = x.content || len(bytes.TrimSpace(text)) > 0
	x.characters(text)
}

// characters checks the references to characters and entities, and that XML
// allows the characters.
func (x *xhtml) characters(text []byte) {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '&':
			_, n := reference(text[i:])
			if n == 0 {
				x.fail("& must start &lt; &gt; &amp; &quot; &apos; or a character's number, like &#160;")
				return
			}
			i += n - 1
		case c < ' ' && c != '\t' && c != '\n' && c != '\r', c == 0xef && notXML(text[i:]):
			x.fail("it contains a character that XML does not allow")
			return
		}
	}
}

// notXML reports whether text starts with U+FFFE or U+FFFF.
func notXML(text []byte) bool {
	return bytes.HasPrefix(text, []byte("\ufffe")) || bytes.HasPrefix(text, []byte("\uffff"))
}

func (x *xhtml) comment() {
	body, rest, found := bytes.Cut(x.rest[len("<!--"):], []byte("--"))
	switch {
	case !found || len(rest) == 0 || rest[0] != '>':
		x.fail("a comment must end with --> and not contain --")
	case len(body) > 0 && body[0] == '>', bytes.HasPrefix(body, []byte("->")), bytes.HasSuffix(body, []byte("-")):
		x.fail("a comment must not start with > or ->, or end with -") // an HTML parser ends it there
	default:
		x.characters(bytes.ReplaceAll(body, []byte("&"), nil))
		x.rest = rest[1:]
	}
}

func (x *xhtml) endTag() {
	x.rest = x.rest[len("</"):]
	name := x.name()
	x.space()
	if !x.skip('>') {
		x.fail("a closing tag must end with >")
		return
	}
	if len(x.open) == 0 || x.open[len(x.open)-1] != string(name) {
		x.fail("</%s> closes no open element", clip(name))
		return
	}
	x.open = x.open[:len(x.open)-1]
	x.closed = len(x.open) == 0
}

func (x *xhtml) startTag() {
	x.rest = x.rest[1:]
	name := x.name()
	i, ok := slices.BinarySearchFunc(xhtmlElements[:], name, func(e string, n []byte) int { return strings.Compare(e, string(n)) })
	if !ok {
		x.fail("the element <%s> is not allowed", clip(name))
		return
	}
	element := xhtmlElements[i]
	x.content = x.content || element == "img"
	if !x.attributes(element) {
		return
	}
	empty := x.skip('/')
	if !x.skip('>') {
		x.fail("the tag <%s is not closed with >", element)
		return
	}
	if empty {
		x.closed = len(x.open) == 0
		return
	}
	if len(x.open) == maxNesting {
		x.fail("elements nest deeper than %d levels", maxNesting)
		return
	}
	x.open = append(x.open, element)
}

// attributes consumes the attributes of a tag. The root declares the namespace.
func (x *xhtml) attributes(element string) bool {
	var seen [16][]byte
	n, namespace := 0, false
	for x.fault == "" {
		spaced := x.space()
		if len(x.rest) == 0 || x.rest[0] == '>' || x.rest[0] == '/' {
			break
		}
		name := x.name()
		if !spaced {
			x.fail("attributes of <%s> must be separated by white space", element)
			return false
		}
		value, ok := x.attributeValue(element, name)
		if !ok {
			return false
		}
		if slices.ContainsFunc(seen[:n], func(s []byte) bool { return bytes.Equal(s, name) }) || n == len(seen) {
			x.fail("<%s> has the attribute %s twice, or too many attributes", element, clip(name))
			return false
		}
		seen[n], n = name, n+1
		namespace = namespace || string(name) == "xmlns"
		if why := attribute(element, name, value); why != "" {
			x.fail("%s", why)
		}
	}
	if len(x.open) == 0 && !namespace {
		x.fail(`the root <div> must have xmlns="%s"`, xhtmlNamespace)
	}
	return x.fault == ""
}

// attributeValue consumes ="value" and returns the value as it is written.
func (x *xhtml) attributeValue(element string, name []byte) ([]byte, bool) {
	x.space()
	if len(name) == 0 || !x.skip('=') {
		x.fail("an attribute of <%s> has no name or no value", element)
		return nil, false
	}
	x.space()
	if len(x.rest) == 0 || x.rest[0] != '"' && x.rest[0] != '\'' {
		x.fail("the value of %s must be quoted", clip(name))
		return nil, false
	}
	mark := x.rest[0]
	end := bytes.IndexByte(x.rest[1:], mark)
	if end < 0 {
		x.fail("the value of %s is not closed", clip(name))
		return nil, false
	}
	value := x.rest[1 : 1+end]
	x.rest = x.rest[end+2:]
	if bytes.IndexByte(value, '<') >= 0 {
		x.fail("the value of %s contains <", clip(name))
		return nil, false
	}
	x.characters(value)
	return value, x.fault == ""
}

// name consumes a name. Prefixes other than xml are in no allowed name.
func (x *xhtml) name() []byte {
	n := 0
	for n < len(x.rest) {
		c := x.rest[n]
		if c <= ' ' || bytes.IndexByte([]byte(`<>/="'&`), c) >= 0 {
			break
		}
		n++
	}
	name := x.rest[:n]
	x.rest = x.rest[n:]
	return name
}

func (x *xhtml) space() bool {
	n := len(x.rest)
	x.rest = bytes.TrimLeft(x.rest, " \t\r\n")
	return len(x.rest) < n
}

func (x *xhtml) skip(c byte) bool {
	if len(x.rest) == 0 || x.rest[0] != c {
		return false
	}
	x.rest = x.rest[1:]
	return true
}

// clip shortens a name for a message.
func clip(name []byte) string { return strings.Trim(quote(name), `"`) }
