package schema

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNarrative_G2_13(t *testing.T) {
	t.Parallel()
	root := func(s string) string { return `<div xmlns="http://www.w3.org/1999/xhtml">` + s + `</div>` }
	for _, c := range []struct{ name, div, fault string }{
		{"text", root("Amy Shaw"), ""},
		{"markup", root(`<h1>A</h1><p class="x" style="color: red">b <b>c</b><br/>d</p><ul><li>e</li></ul>`), ""},
		{"table", root(`<table border="1"><thead><tr><th colspan="2">a</th></tr></thead><tbody><tr><td>1</td><td nowrap='nowrap'>2</td></tr></tbody></table>`), ""},
		{"link and image", root(`<a href="http://example.org/a?b=1&amp;c=2" name="x">y</a><img src="#img" alt="z"/><img src="data:image/png;base64,AAAA"/>`), ""},
		{"relative and fragment links", root(`<a href="Patient/1">y</a><a href="#a">z</a><a href="a/b:c">z</a>`), ""},
		{"only an image", root(`<img src="a.png"/>`), ""},
		{"references to characters", root(`&lt;&gt;&amp;&quot;&apos;&#160;&#xA0;`), ""},
		{"a comment", root(`a<!-- b > & c -->`), ""},
		{"white space around", " \n" + root("a") + "\n", ""},
		{"repeated namespace", root(`<p xmlns="http://www.w3.org/1999/xhtml">a</p>`), ""},
		{"white space in tags", `<div  xmlns = 'http://www.w3.org/1999/xhtml' ><br />a</div >`, ""},
		{"image in a style", root(`<p style="background: url(tbl.png), url('data: image/png;base64,AA==')">a</p>`), ""},

		{"no markup", "Amy Shaw", "start with <div"},
		{"another root", `<p xmlns="http://www.w3.org/1999/xhtml">a</p>`, "start with <div"},
		{"no namespace", `<div>a</div>`, "xmlns"},
		{"another namespace", `<div xmlns="http://www.w3.org/2000/svg">a</div>`, "xmlns"},
		{"two roots", root("a") + root("b"), "follows"},
		{"text behind the root", root("a") + "b", "follows"},
		{"empty (txt-2)", root(" \n"), "content"},
		{"empty root", `<div xmlns="http://www.w3.org/1999/xhtml"/>`, "content"},
		{"not closed", `<div xmlns="http://www.w3.org/1999/xhtml"><p>a</p>`, "not closed"},
		{"closed crosswise", root(`<b><i>a</b></i>`), "closes no open"},
		{"HTML's open br", root(`a<br>b`), "closes no open"},
		{"tag without end", `<div xmlns="http://www.w3.org/1999/xhtml"`, "not closed with >"},
		{"end tag without end", `<div xmlns="http://www.w3.org/1999/xhtml">a</div`, "must end with >"},
		{"bare ampersand", root(`a & b`), "&"},
		{"unknown entity", root(`a&nbsp;b`), "&#160;"},
		{"reference to a forbidden character", root(`&#0;`), "&"},
		{"reference to a surrogate", root(`&#xD800;`), "&"},
		{"control character", root("a\x07"), "character"},
		{"no character", root("a\uffff"), "character"},
		{"end of a CDATA section", root("a]]>"), "]]>"},
		{"upper case element", root(`<P>a</P>`), "<P>"},

		{"script", root(`<script>alert(1)</script>`), "<script>"},
		{"style sheet", root(`<style>p {}</style>`), "<style>"},
		{"external style sheet", root(`<link rel="stylesheet" href="a.css"/>`), "<link>"},
		{"form", root(`<form action="x"><input/></form>`), "<form>"},
		{"frame", root(`<iframe src="x"/>`), "<iframe>"},
		{"object", root(`<object data="x"/>`), "<object>"},
		{"svg", root(`<svg onload="x"/>`), "<svg>"},
		{"html", root(`<html><head/><body/></html>`), "<html>"},
		{"base", root(`<base href="http://evil"/>`), "<base>"},
		{"deprecated element", root(`<font color="red">a</font>`), "<font>"},
		{"inserted text (9.4)", root(`<ins>a</ins>`), "<ins>"},
		{"prefixed element", root(`<x:p>a</x:p>`), "<x:p>"},
		{"event handler", root(`<p onclick="alert(1)">a</p>`), "onclick"},
		{"event handler in the root", `<div xmlns="http://www.w3.org/1999/xhtml" onload="x">a</div>`, "onload"},
		{"event handler behind a slash", root(`<img src="a"/onerror="alert(1)"/>`), "<img"},
		{"xlink", root(`<a xlink:href="x">a</a>`), "xlink:href"},
		{"srcset", root(`<img srcset="x"/>`), "srcset"},
		{"attribute twice", root(`<p class="a" class="b">a</p>`), "twice"},
		{"attribute without quotes", root(`<p class=a>a</p>`), "quoted"},
		{"attribute without a value", root(`<td nowrap>a</td>`), "no value"},
		{"attributes without a space", root(`<p class="a"id="b">a</p>`), "white space"},
		{"attribute not closed", root(`<p class="a>b</p>`), "not closed"},
		{"< in an attribute", root(`<p title="<script>">a</p>`), "<"},
		{"javascript link", root(`<a href="javascript:alert(1)">a</a>`), "scheme"},
		{"javascript in capitals", root(`<a href="JavaScript:alert(1)">a</a>`), "scheme"},
		{"javascript behind white space", root("<a href=\" \tjava\nscript:alert(1)\">a</a>"), "scheme"},
		{"javascript by number", root(`<a href="&#106;avascript&#58;alert(1)">a</a>`), "scheme"},
		{"javascript behind a control character", root(`<a href="&#9;java&#10;script:alert(1)">a</a>`), "scheme"},
		{"vbscript", root(`<a href="vbscript:x">a</a>`), "scheme"},
		{"data link", root(`<a href="data:text/html,x">a</a>`), "scheme"},
		{"data image of SVG", root(`<img src="data:image/svg+xml,x"/>`), "scheme"},
		{"javascript image", root(`<img src="javascript:x"/>`), "scheme"},
		{"quotation of javascript", root(`<q cite="javascript:x">a</q>`), "scheme"},
		{"CDATA", root(`<![CDATA[<script>alert(1)</script>]]>`), "CDATA"},
		{"processing instruction", root(`<?php x ?>`), "processing"},
		{"DOCTYPE", `<!DOCTYPE html>` + root("a"), "start with <div"},
		{"comment that HTML ends early", root(`a<!--><script>alert(1)</script>-->`), "comment"},
		{"comment that HTML ends early, with a dash", root(`a<!---><script>alert(1)</script>-->`), "comment"},
		{"comment with --", root(`a<!-- b -- c -->`), "comment"},
		{"comment that ends with --!>", root(`a<!-- b --!><script>x</script>-->`), "comment"},
		{"comment not closed", root(`a<!-- b`), "comment"},
		{"expression in a style", root(`<p style="width: expression(alert(1))">a</p>`), "style"},
		{"javascript in a style", root(`<p style="background: url( 'java script:x')">a</p>`), "style"},
		{"escape in a style", root(`<p style="width: e\78pression(1)">a</p>`), "style"},
		{"comment in a style", root(`<p style="width: exp/**/ression(1)">a</p>`), "style"},
		{"external image in a style", root(`<p style="background: url(https://evil/x)">a</p>`), "style"},
		{"external image in a style, without scheme", root(`<p style="background: url('//evil/x')">a</p>`), "style"},
		{"external image in a style, by number", root(`<p style="background: &#117;rl(https://evil/x)">a</p>`), "style"},
		{"import in a style", root(`<p style="@import 'x'">a</p>`), "style"},
		{"binding in a style", root(`<p style="-moz-binding: url(x)">a</p>`), "style"},
		{"nested too deep", root(strings.Repeat("<b>", 200) + "a" + strings.Repeat("</b>", 200)), "deeper"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			why := narrative([]byte(c.div))
			if (why == "") != (c.fault == "") || !strings.Contains(why, c.fault) {
				t.Errorf("narrative(%q) = %q, want %q", c.div, why, c.fault)
			}
		})
	}
}

func TestNarrativeIsCheckedWhereverItStands_G2_13(t *testing.T) {
	t.Parallel()
	div, err := json.Marshal(`<div xmlns="http://www.w3.org/1999/xhtml"><p onclick="x">a</p></div>`)
	if err != nil {
		t.Fatal(err)
	}
	text := `"text":{"status":"generated","div":` + string(div) + `}`
	checkRules(t, []rule{
		{"resource", `{"resourceType":"Patient",` + text + `}`, []string{"value Patient.text.div"}},
		{"contained", `{"resourceType":"Patient","contained":[{"resourceType":"Patient","id":"a",` + text + `}]}`, []string{"value Patient.contained[0].text.div"}},
		{"entry", `{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient",` + text + `}}]}`, []string{"value Bundle.entry[0].resource.text.div"}},
		{"section", `{"resourceType":"Composition","status":"final","type":{"text":"x"},"date":"2024","author":[{"display":"x"}],"title":"x","section":[{` + text + `}]}`, []string{"value Composition.section[0].text.div"}},
		{"no companion", `{"resourceType":"Patient","text":{"status":"empty","_div":{"id":"a"}}}`, []string{"structure Patient.text._div", "required Patient.text.div"}},
		{"no status", `{"resourceType":"Patient","text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>"}}`, []string{"required Patient.text.status"}},
	})
	if diff := cmp.Diff([]string(nil), issues(t, &Validator{}, `{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http:\/\/www.w3.org\/1999\/xhtml\">\u00e4 &amp; b<\/div>"}}`)); diff != "" {
		t.Errorf("escapes of JSON inside a narrative: %s", diff)
	}
}
