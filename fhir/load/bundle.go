package load

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/portico-fhir/portico/fhir"
)

// bundle is what a load needs of a Bundle.
type bundle struct {
	kind    string // Bundle.type
	entries []entry
}

type entry struct {
	fullURL  string
	resource []byte // part of the Bundle's bytes
	request  request
	search   struct {
		Mode string `json:"mode"`
	}
}

type request struct {
	Method      string `json:"method"`
	URL         string `json:"url"`
	IfNoneExist string `json:"ifNoneExist"`
}

// unpacked reports whether the entries of a Bundle of this type are loaded, and not
// the Bundle itself.
func unpacked(kind string) bool {
	switch kind {
	case "transaction", "batch", "collection", "searchset":
		return true
	}
	return false
}

// parseBundle reads the Bundle's own members; the resources in it are checked only to be JSON.
func parseBundle(raw []byte) (bundle, error) {
	// Names may repeat within resources, where the validator looks for that and can
	// say in which entry; here the members are few.
	p := bundleParser{raw: raw, dec: jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true))}
	var b bundle
	err := p.object(map[string]func() error{
		"type":  func() error { return p.into(&b.kind) },
		"entry": func() error { return p.list(func() error { return p.entry(&b) }) },
	})
	if err != nil {
		return bundle{}, fhir.Errorf(fhir.CodeStructure, "", "it is no Bundle: %v", err)
	}
	if rest := bytes.TrimSpace(raw[p.dec.InputOffset():]); len(rest) > 0 {
		return bundle{}, fhir.Errorf(fhir.CodeStructure, "", "more content follows the Bundle")
	}
	return b, nil
}

type bundleParser struct {
	raw []byte
	dec *jsontext.Decoder
}

func (p *bundleParser) entry(b *bundle) error {
	var e entry
	err := p.object(map[string]func() error{
		"fullUrl":  func() error { return p.into(&e.fullURL) },
		"request":  func() error { return p.into(&e.request) },
		"search":   func() error { return p.into(&e.search) },
		"resource": func() error { return p.value(&e.resource) },
	})
	b.entries = append(b.entries, e)
	return err
}

// object reads an object; members without a function are skipped.
func (p *bundleParser) object(members map[string]func() error) error {
	if err := p.expect('{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for p.dec.PeekKind() != '}' {
		tok, err := p.dec.ReadToken()
		if err != nil {
			return err
		}
		name := tok.String()
		read := members[name]
		if read == nil {
			if err := p.dec.SkipValue(); err != nil {
				return err
			}
			continue
		}
		if seen[name] {
			return fmt.Errorf("%s is there twice", name)
		}
		seen[name] = true
		if err := read(); err != nil {
			return err
		}
	}
	_, err := p.dec.ReadToken()
	return err
}

func (p *bundleParser) list(element func() error) error {
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

func (p *bundleParser) expect(kind jsontext.Kind) error {
	tok, err := p.dec.ReadToken()
	if err != nil {
		return err
	}
	if tok.Kind() != kind {
		return fmt.Errorf("%s where %q was expected, at byte %d", tok.Kind(), rune(kind), p.dec.InputOffset())
	}
	return nil
}

func (p *bundleParser) into(v any) error {
	value, err := p.dec.ReadValue()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(value, v, jsontext.AllowDuplicateNames(true)); err != nil {
		return fmt.Errorf("a member has the wrong form, before byte %d", p.dec.InputOffset())
	}
	return nil
}

// value gives the bytes of a value, as a part of raw.
func (p *bundleParser) value(v *[]byte) error {
	value, err := p.dec.ReadValue()
	if err != nil {
		return err
	}
	end := int(p.dec.InputOffset())
	*v = p.raw[end-len(value) : end : end]
	return nil
}
