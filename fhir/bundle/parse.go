package bundle

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/portico-fhir/portico/fhir"
)

// Bundle is a Bundle taken apart.
type Bundle struct {
	Type    string // Bundle.type
	Entries []Entry

	resourceType string
}

// Entry is one entry. Resource is a part of the Bundle's text; nil when there is
// none.
type Entry struct {
	FullURL  string
	Resource []byte
	Request  *Request
	Search   Search
}

// Search is how an entry of a search's result came there.
type Search struct {
	Mode string `json:"mode"`
}

// Request is an entry's request.
type Request struct {
	Method          string `json:"method"`
	URL             string `json:"url"`
	IfNoneMatch     string `json:"ifNoneMatch"`
	IfModifiedSince string `json:"ifModifiedSince"`
	IfMatch         string `json:"ifMatch"`
	IfNoneExist     string `json:"ifNoneExist"`
}

// at is the FHIRPath of a part of an entry.
func at(i int, rest string) string { return "Bundle.entry[" + strconv.Itoa(i) + "]" + rest }

// Parse reads a batch or transaction of at most max entries. Resources are checked
// only to be JSON objects: what is wrong with one concerns its entry. The error is a
// *fhir.Error.
func Parse(raw []byte, max int) (*Bundle, error) {
	b, err := Read(raw, max)
	switch {
	case err != nil:
		return nil, err
	case b.resourceType != "Bundle":
		return nil, fhir.Errorf(fhir.CodeInvalid, "", "The body must be a Bundle of type batch or transaction.")
	case b.Type != "batch" && b.Type != "transaction":
		return nil, fhir.Errorf(fhir.CodeInvalid, "Bundle.type", "A Bundle that is sent to the base must be of type batch or transaction.")
	}
	for i, e := range b.Entries {
		if e.Resource != nil && e.Resource[0] != '{' {
			return nil, fhir.Errorf(fhir.CodeStructure, at(i, ".resource"), "The resource is not a JSON object.")
		}
	}
	return b, nil
}

// Read takes a Bundle of any type and at most max entries apart; 0 is any number.
// Of its resources it knows only that they are JSON. Names may repeat within them,
// where the validator looks for that and can say in which entry. The error is a
// *fhir.Error.
func Read(raw []byte, max int) (*Bundle, error) {
	p := parser{raw: raw, max: max, dec: jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true))}
	b := &Bundle{}
	err := p.object(map[string]func() error{
		"resourceType": func() error { return p.into(&b.resourceType) },
		"type":         func() error { return p.into(&b.Type) },
		"entry":        func() error { return p.list(func() error { return p.entry(b) }) },
	})
	if told, ok := err.(*fhir.Error); ok { //nolint:errorlint // made here, never wrapped
		return nil, told
	}
	switch {
	case err != nil:
		return nil, fhir.Errorf(fhir.CodeStructure, "", "This is not a Bundle: %v.", err)
	case len(bytes.TrimSpace(raw[p.dec.InputOffset():])) > 0:
		return nil, fhir.Errorf(fhir.CodeStructure, "", "More content follows the Bundle.")
	}
	return b, nil
}

type parser struct {
	raw []byte
	max int
	dec *jsontext.Decoder
}

func (p *parser) entry(b *Bundle) error {
	if p.max > 0 && len(b.Entries) >= p.max {
		return fhir.Errorf(fhir.CodeTooCostly, "Bundle.entry", "The Bundle has more than the %d entries that this server takes at once. Send several.", p.max)
	}
	var e Entry
	err := p.object(map[string]func() error{
		"fullUrl":  func() error { return p.into(&e.FullURL) },
		"request":  func() error { return p.into(&e.Request) },
		"search":   func() error { return p.into(&e.Search) },
		"resource": func() error { return p.resource(&e.Resource) },
	})
	b.Entries = append(b.Entries, e)
	return err
}

// object reads an object; members without a function are skipped.
func (p *parser) object(members map[string]func() error) error {
	if err := p.expect('{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for p.dec.PeekKind() != '}' {
		tok, err := p.dec.ReadToken()
		if err != nil {
			return p.malformed()
		}
		name := tok.String()
		if seen[name] {
			return fmt.Errorf("%q is there twice", name)
		}
		seen[name] = true
		read := members[name]
		if read == nil {
			if err := p.dec.SkipValue(); err != nil {
				return p.malformed()
			}
			continue
		}
		if err := read(); err != nil {
			return err
		}
	}
	_, err := p.dec.ReadToken()
	return err
}

func (p *parser) list(element func() error) error {
	if err := p.expect('['); err != nil {
		return err
	}
	for p.dec.PeekKind() != ']' {
		if err := element(); err != nil {
			return err
		}
	}
	_, err := p.dec.ReadToken()
	return err
}

func (p *parser) expect(kind jsontext.Kind) error {
	tok, err := p.dec.ReadToken()
	if err != nil {
		return p.malformed()
	}
	if tok.Kind() != kind {
		return fmt.Errorf("%s where %q was expected, at byte %d", tok.Kind(), rune(kind), p.dec.InputOffset())
	}
	return nil
}

// malformed tells where the text stops being JSON, without quoting it.
func (p *parser) malformed() error {
	return fmt.Errorf("it is no JSON, at byte %d", p.dec.InputOffset())
}

func (p *parser) into(v any) error {
	value, err := p.dec.ReadValue()
	if err != nil {
		return p.malformed()
	}
	if err := json.Unmarshal(value, v); err != nil {
		return fmt.Errorf("a member has the wrong form, before byte %d", p.dec.InputOffset())
	}
	return nil
}

// resource gives the bytes of a resource, as a part of raw.
func (p *parser) resource(v *[]byte) error {
	value, err := p.dec.ReadValue()
	if err != nil {
		return p.malformed()
	}
	end := int(p.dec.InputOffset())
	*v = p.raw[end-len(value) : end : end]
	return nil
}
