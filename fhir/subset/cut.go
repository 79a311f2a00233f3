package subset

import (
	"bytes"
	"errors"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portico-fhir/portico/fhir"
)

// errShape is met by bodies that are not the JSON of a resource, which no
// repository gives.
var errShape = errors.New("subset: malformed resource")

// tag marks a resource of which parts are missing (R4 3.1.1.5.8).
const tag = `{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}`

// Append appends what s leaves of a resource's JSON to dst. Members stay as
// they are and where they are; the tag SUBSETTED is added to meta.
func (s *Shape) Append(dst []byte, t fhir.Type, body []byte) ([]byte, error) {
	if s.Whole() {
		return append(dst, body...), nil
	}
	root := nodes()[string(t)]
	if root == nil {
		return dst, errShape
	}
	c := cutter{shape: s, src: body, out: dst}
	if err := c.root(t, root); err != nil {
		return dst, err
	}
	if c.lost && bytes.Contains(c.out[len(dst):], []byte(`"#`)) {
		c = cutter{shape: s, src: body, out: dst, contained: true}
		if err := c.root(t, root); err != nil {
			return dst, err
		}
	}
	return c.out, nil
}

// cutter copies the wanted parts of src.
type cutter struct {
	shape *Shape
	src   []byte
	out   []byte
	// Contained resources stay when something that is left refers to one.
	contained, lost bool
}

// root copies a resource. Where it has no meta, one comes behind resourceType.
func (c *cutter) root(t fhir.Type, n *node) error {
	o := object{src: c.src}
	c.out = append(c.out, '{')
	first, tagged := true, false
	after := 0 // where a meta goes that is not there
	for o.open(); o.next(); {
		name := o.name()
		if string(name) == "resourceType" {
			c.member(&first, &o)
			after = len(c.out)
			continue
		}
		e := n.find(baseName(name))
		switch {
		case e == nil:
		case string(name) == "contained" && c.contained:
			c.member(&first, &o)
		case !c.shape.keeps(t, e):
			c.lost = c.lost || string(name) == "contained"
		case string(name) == "meta":
			tagged = true
			c.separate(&first, &o)
			if err := c.meta(o.value()); err != nil {
				return err
			}
		case c.shape.mode == Summary && e.summary:
			c.element(&first, &o, e, name)
		default:
			c.member(&first, &o)
		}
	}
	c.out = append(c.out, '}')
	if o.bad || after == 0 {
		return errShape
	}
	if !tagged {
		c.out = append(c.out[:after], append([]byte(`,"meta":{"tag":[`+tag+`]}`), c.out[after:]...)...)
	}
	return nil
}

// baseName is the name of the element that a member belongs to: a primitive's
// extensions are in a member of their own, with "_" in front.
func baseName(member []byte) []byte {
	if len(member) > 1 && member[0] == '_' {
		return member[1:]
	}
	return member
}

// separate writes the name of a member that is kept.
func (c *cutter) separate(first *bool, o *object) {
	if !*first {
		c.out = append(c.out, ',')
	}
	*first = false
	c.out = append(c.out, c.src[o.nameAt:o.valueAt]...)
}

// member copies a whole member.
func (c *cutter) member(first *bool, o *object) {
	c.separate(first, o)
	c.out = append(c.out, o.value()...)
}

// element copies a member of which only the summary is wanted.
func (c *cutter) element(first *bool, o *object, e *element, name []byte) {
	child := e.child
	if e.choice && name[0] != '_' {
		child = ofChoice(e, name)
	}
	if child == nil || name[0] == '_' {
		c.member(first, o)
		return
	}
	c.separate(first, o)
	if !c.value(o.value(), child) {
		o.bad = true
	}
}

// value copies the summary of an object, or of each object in an array.
func (c *cutter) value(v []byte, n *node) bool {
	if v[0] != '[' {
		return c.summary(v, n)
	}
	a := array{src: v}
	c.out = append(c.out, '[')
	for first := true; a.next(); first = false {
		if !first {
			c.out = append(c.out, ',')
		}
		if !c.summary(a.value(), n) {
			return false
		}
	}
	c.out = append(c.out, ']')
	return !a.bad
}

// summary copies what a summary has of one object. Of one that has nothing but
// extensions, or an id, everything is kept: empty objects are not allowed (R4
// 2.6.2).
func (c *cutter) summary(v []byte, n *node) bool {
	if v[0] != '{' {
		c.out = append(c.out, v...)
		return true
	}
	start := len(c.out)
	part := cutter{shape: c.shape, src: v, out: append(c.out, '{')}
	o := object{src: v}
	first := true
	for o.open(); o.next(); {
		name := o.name()
		if e := n.find(baseName(name)); e != nil {
			part.element(&first, &o, e, name)
		}
	}
	c.out = append(part.out, '}')
	if first {
		c.out = append(c.out[:start], v...)
	}
	return !o.bad
}

// meta copies meta with the tag added, unless it is there already.
func (c *cutter) meta(v []byte) error {
	part := cutter{shape: c.shape, src: v, out: append(c.out, '{')}
	o := object{src: v}
	first, tagged := true, false
	for o.open(); o.next(); {
		if string(o.name()) != "tag" {
			part.member(&first, &o)
			continue
		}
		tagged = true
		tags := o.value()
		if bytes.Contains(tags, []byte(`"SUBSETTED"`)) || tags[0] != '[' {
			part.member(&first, &o)
			continue
		}
		part.separate(&first, &o)
		part.out = append(part.out, tags[:len(tags)-1]...)
		part.out = append(part.out, ","+tag+"]"...)
	}
	if !tagged {
		if !first {
			part.out = append(part.out, ',')
		}
		part.out = append(part.out, `"tag":[`+tag+`]`...)
	}
	c.out = append(part.out, '}')
	if o.bad {
		return errShape
	}
	return nil
}

// unquote gives a member's name, which may have escapes.
func unquote(quoted []byte) ([]byte, bool) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], true
	}
	name, err := jsontext.AppendUnquote(nil, quoted)
	return name, err == nil
}
