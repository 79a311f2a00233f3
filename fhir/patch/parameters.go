package patch

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/path"
	"github.com/portico-fhir/portico/fhir/schema"
)

// ParseFHIRPath reads a FHIRPath Patch: a Parameters resource with a parameter for
// each operation, be it none. The error is a *fhir.Error, CodeStructure or CodeInvalid when it
// is none, CodeTooCostly for too many operations.
func ParseFHIRPath(text []byte) (Patch, error) {
	if _, err := new(schema.Validator).Validate(text, "Parameters"); err != nil {
		return nil, err
	}
	parameters := list(text, "parameter")
	if len(parameters) > maxOperations {
		return nil, fhir.Errorf(fhir.CodeTooCostly, "", "The patch has %d operations; at most %d are allowed.", len(parameters), maxOperations)
	}
	var p pathPatch
	var issues []fhir.Issue
	for i, text := range parameters {
		c, wrong := readChange(text)
		if wrong != "" {
			where := "Parameters.parameter[" + strconv.Itoa(i) + "]"
			issues = append(issues, fhir.Errorf(fhir.CodeInvalid, where, "%s", wrong).Issues...)
		}
		p = append(p, c)
	}
	if len(issues) > 0 {
		return nil, &fhir.Error{Issues: issues}
	}
	return p, nil
}

// readChange reads one parameter; wrong says what is wrong with it.
func readChange(text []byte) (c change, wrong string) {
	if name := textOf(text, "name"); name != "operation" {
		return c, "The parameters of a patch are called operation."
	}
	c = change{index: -1, source: -1, destination: -1}
	given := map[string]bool{}
	for _, part := range list(text, "part") {
		name := textOf(part, "name")
		if given[name] {
			return c, "The part " + name + " is there twice."
		}
		given[name] = true
		if wrong := c.read(name, part); wrong != "" {
			return c, wrong
		}
	}
	var need []string
	switch c.kind {
	case "add":
		need = []string{"path", "name", "value"}
	case "insert":
		need = []string{"path", "value", "index"}
	case "delete":
		need = []string{"path"}
	case "replace":
		need = []string{"path", "value"}
	case "move":
		need = []string{"path", "source", "destination"}
	default:
		return c, "The part type must be add, insert, delete, replace or move."
	}
	for name := range given {
		if name != "type" && !slices.Contains(need, name) {
			return c, "The operation " + c.kind + " has no part " + strconv.Quote(name) + "."
		}
	}
	for _, name := range need {
		if !given[name] {
			return c, "The operation " + c.kind + " needs a part " + name + "."
		}
	}
	return c, ""
}

// read takes in one part.
func (c *change) read(name string, part []byte) (wrong string) {
	v := readValue(part)
	switch name {
	case "type":
		c.kind = v.string()
	case "path":
		expr, err := path.Parse(v.string())
		if err != nil {
			return "The path is no FHIRPath expression: " + err.Error()
		}
		c.path = expr
	case "name":
		c.name = v.string()
	case "value":
		c.value = v
		if v.json == nil && v.companion == nil && v.resource == nil && v.parts == nil {
			return "The value is empty."
		}
	case "index", "source", "destination":
		n, ok := index(string(v.json))
		if !ok {
			return name + " must be an integer, 0 or more."
		}
		switch name {
		case "index":
			c.index = n
		case "source":
			c.source = n
		default:
			c.destination = n
		}
	default:
		return "There is no part " + strconv.Quote(name) + " in a patch."
	}
	return ""
}

// value is what a part says: a value of a data type, a resource, or for what has no
// data type of its own, such as Patient.contact, its elements as parts.
type value struct {
	suffix          string // the type, as it stands in the name of a choice: "HumanName"
	json, companion []byte
	resource        []byte
	parts           []namedValue
}

type namedValue struct {
	name  string
	value *value
}

func readValue(part []byte) *value {
	v := &value{}
	for e := range entries(part) {
		name, text := unquote(e.name.of(part)), e.value.of(part)
		switch {
		case name == "resource":
			v.resource = text
		case name == "part":
			for _, sub := range list(part, "part") {
				v.parts = append(v.parts, namedValue{textOf(sub, "name"), readValue(sub)})
			}
		case strings.HasPrefix(name, "value"):
			v.suffix, v.json = name[len("value"):], text
		case strings.HasPrefix(name, "_value"):
			v.suffix, v.companion = name[len("_value"):], text
		}
	}
	return v
}

// string gives the value when it is text.
func (v *value) string() string {
	if len(v.json) == 0 || v.json[0] != '"' {
		return ""
	}
	return unquote(v.json)
}

// as gives the value as the element called name of an object of type typ. The name
// of a choice may carry the type or not.
func (v *value) as(typ, name string) (schema.Element, slot, error) {
	name = strings.TrimSuffix(name, "[x]")
	element, ok := schema.Lookup(typ, name)
	if !ok || element.Choice && element.Member != element.Name+v.suffix {
		element, ok = schema.Lookup(typ, name+v.suffix)
		ok = ok && element.Choice
	}
	switch {
	case !ok:
		return element, slot{}, problem("there is no element " + strconv.Quote(name) + " that takes such a value.")
	case v.resource != nil:
		return element, slot{value: v.resource}, nil
	case v.parts != nil:
		text, err := v.object(element.Type)
		return element, slot{value: text}, err
	}
	return element, slot{v.json, v.companion}, nil
}

// addTo gives an object of type typ with the value as its element called name, or as the
// last of these. Taken says what is wrong where there is one already, and can be but one.
func (v *value) addTo(object []byte, typ, name string, taken func(element string) problem) ([]byte, error) {
	element, new, err := v.as(typ, name)
	if err != nil {
		return nil, err
	}
	m, ok := memberOf(object, typ, element.Name)
	switch {
	case !ok:
		m = member{Element: element}
	case !element.Many:
		return nil, taken(element.Name)
	}
	m.slots = append(slices.Clip(m.slots), new)
	return m.write(object), nil
}

// object makes the JSON of an object of type typ from the parts.
func (v *value) object(typ string) ([]byte, error) {
	object := []byte("{}")
	for _, part := range v.parts {
		made, err := part.value.addTo(object, typ, part.name, func(string) problem {
			return problem(strconv.Quote(part.name) + " is in the value twice.")
		})
		if err != nil {
			return nil, err
		}
		object = bytes.Clone(made)
	}
	return object, nil
}
