package schema

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// FuzzNarrative (G2.13) wants of every narrative that is accepted: it is well-formed
// XML for encoding/xml, and a browser's parser finds no element, handler or URL in it
// that is not allowed. The two read the same bytes differently; that is where scripts hide.
func FuzzNarrative(f *testing.F) {
	for _, inner := range []string{
		`Amy <b>Shaw</b><br/>`, `<table border="1"><tr><td nowrap='nowrap'>a</td></tr></table>`, `<!-- a --><p title="&lt;script&gt;">b</p>`,
		`a<!--><script>alert(1)</script>-->`, `a<!-- --!><script>alert(1)</script>-->`, `<![CDATA[<script>]]>`, `<a href="&#106;avascript:x">a</a>`,
		`<p style="background: url('a.png')">a</p>`, `<img src="data:image/png;base64,AA=="/>`, `<a href=" java&#10;script:x">a</a>`, `<pre xml:space="preserve">&#160;</pre>`,
		`<p class="a"onclick="b">c</p>`, `<b/><i/>`, `<map name="a"><area href="#b" alt="c"/></map>`, `<?x?>`, `<svg><style/></svg>`,
	} {
		f.Add([]byte(`<div xmlns="http://www.w3.org/1999/xhtml">` + inner + `</div>`))
	}
	f.Fuzz(func(t *testing.T, div []byte) {
		if !utf8.Valid(div) || narrative(div) != "" {
			return // JSON is UTF-8
		}
		wellFormed(t, div)
		tokens := html.NewTokenizer(bytes.NewReader(div))
		for {
			switch tokens.Next() {
			case html.ErrorToken:
				if !errors.Is(tokens.Err(), io.EOF) {
					t.Fatalf("%v: %q", tokens.Err(), div)
				}
				return
			case html.StartTagToken, html.SelfClosingTagToken:
				harmless(t, tokens.Token(), div)
			case html.DoctypeToken:
				t.Fatalf("a browser sees a DOCTYPE in %q", div)
			}
		}
	})
}

func wellFormed(t *testing.T, div []byte) {
	t.Helper()
	dec := xml.NewDecoder(bytes.NewReader(div))
	for {
		_, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("not well-formed: %v: %q", err, div)
		}
	}
}

// harmless checks a tag as a browser sees it.
func harmless(t *testing.T, tag html.Token, div []byte) {
	t.Helper()
	if !slices.Contains(xhtmlElements[:], tag.Data) {
		t.Fatalf("a browser sees <%s> in %q", tag.Data, div)
	}
	for _, a := range tag.Attr {
		value := strings.Map(func(c rune) rune {
			if c <= ' ' {
				return -1
			}
			return c
		}, strings.ToLower(a.Val))
		if strings.HasPrefix(a.Key, "on") || strings.HasPrefix(value, "javascript:") && urlAttribute(a.Key) {
			t.Fatalf("a browser sees %s=%q in %q", a.Key, a.Val, div)
		}
	}
}

func urlAttribute(name string) bool {
	return slices.Contains([]string{"href", "src", "cite", "longdesc", "usemap", "style"}, name)
}
