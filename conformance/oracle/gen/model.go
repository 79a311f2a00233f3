package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	apb "github.com/google/fhir/go/proto/google/fhir/proto/annotations_go_proto"
)

// Limits that the layout of the tables puts on a definition.
const (
	maxSlots   = 64
	maxChoices = 7
)

// model is R4 as the tables hold it.
type model struct {
	resources []*def // sorted by name: the concrete resource types
	others    []*def // sorted by name: data types and backbone elements
	valueSets []valueSet
	targets   [][]string

	byMessage map[protoreflect.FullName]*def
	byTargets map[string]int
	bySet     map[string]int
}

// def is a resource type, a data type or a backbone element.
type def struct {
	name   string
	fields []field
}

// field is a JSON member of a def; each variant of a choice is a field, and
// they share a slot.
type field struct {
	name     string
	base     int    // length of the element's name, without a choice's type suffix
	kind     string // name of a primitive, or of another def
	slot     int
	choice   int // number of the choice within the def, from 1; 0 for none
	many     bool
	required bool
	arg      int // value set (code) or targets (Reference), from 1; 0 for none
}

type valueSet struct {
	url   string
	codes []string
}

// pseudo-primitives: members whose JSON says less than their meaning.
const (
	kindReferenceString = "referenceString" // Reference.reference
	kindResource        = "resource"        // a resource of any type
	kindContained       = "contained"       // a contained resource
)

func readModel(contained protoreflect.MessageDescriptor) (*model, error) {
	m := &model{
		byMessage: map[protoreflect.FullName]*def{},
		byTargets: map[string]int{},
		bySet:     map[string]int{},
	}
	variants := contained.Fields()
	for i := range variants.Len() {
		d, err := m.define(variants.Get(i).Message())
		if err != nil {
			return nil, err
		}
		m.resources = append(m.resources, d)
	}
	m.correct()
	for _, d := range m.byMessage {
		if !slices.Contains(m.resources, d) {
			m.others = append(m.others, d)
		}
	}
	byName := func(a, b *def) int { return cmp.Compare(a.name, b.name) }
	slices.SortFunc(m.resources, byName)
	slices.SortFunc(m.others, byName)
	return m, nil
}

// correct adds what the protos do not have.
func (m *model) correct() {
	// What a primitive's "_name" companion holds is no message of its own.
	m.byMessage["Element"] = &def{name: "Element", fields: []field{
		{name: "id", base: len("id"), kind: "string"},
		{name: "extension", base: len("extension"), kind: "Extension", slot: 1, many: true},
	}}
	// R4's extensions may hold Meta (2.24.0.4, open type element); the protos
	// leave it out.
	ext := m.byMessage["google.fhir.r4.core.Extension"]
	for _, f := range ext.fields {
		if f.name == "valueDosage" {
			f.name, f.kind = "valueMeta", "Meta"
			ext.fields = append(ext.fields, f)
		}
	}
}

// define reads a message and everything it refers to.
func (m *model) define(msg protoreflect.MessageDescriptor) (*def, error) {
	if d, ok := m.byMessage[msg.FullName()]; ok {
		return d, nil
	}
	d := &def{name: strings.TrimPrefix(string(msg.FullName()), "google.fhir.r4.core.")}
	m.byMessage[msg.FullName()] = d
	slot, choices := 0, 0
	for i := range msg.Fields().Len() {
		fd := msg.Fields().Get(i)
		f := field{name: fd.JSONName(), slot: slot, many: fd.IsList(), required: isRequired(fd)}
		if d.name == "Reference" && fd.ContainingOneof() != nil {
			if f.name != "reference" {
				continue // how the protos hold a reference of a known type
			}
			f.kind = kindReferenceString
		}
		var variants []field
		var err error
		if isChoice(fd.Message()) {
			choices++
			f.choice = choices
			variants, err = m.choice(f, fd.Message())
		} else {
			f.base = len(f.name)
			variants = []field{f}
			err = m.fill(&variants[0], fd)
		}
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", d.name, f.name, err)
		}
		d.fields = append(d.fields, variants...)
		slot++
	}
	if slot > maxSlots || choices > maxChoices {
		return nil, fmt.Errorf("%s: %d elements and %d choices are more than the tables can hold", d.name, slot, choices)
	}
	// The validator finds id (ele-1) without looking.
	if d.fields[0].name != "id" {
		return nil, fmt.Errorf("%s: the first element is %s, not id", d.name, d.fields[0].name)
	}
	return d, nil
}

// choice expands value[x] into one field for each type.
func (m *model) choice(f field, msg protoreflect.MessageDescriptor) ([]field, error) {
	var out []field
	for i := range msg.Fields().Len() {
		fd := msg.Fields().Get(i)
		v := f
		v.base = len(f.name)
		v.name = f.name + choiceSuffix(fd.JSONName())
		if err := m.fill(&v, fd); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// choiceSuffix turns a variant's name into the suffix of the JSON member. The
// protos name string variants string_value, as string is a word of proto.
func choiceSuffix(name string) string {
	if name == "stringValue" {
		name = "string"
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

// fill sets the kind of f and what goes with it.
func (m *model) fill(f *field, fd protoreflect.FieldDescriptor) error {
	msg := fd.Message()
	switch {
	case f.kind != "":
		return nil
	case msg == nil:
		return fmt.Errorf("a %v where a message was expected", fd.Kind())
	case msg.Name() == "ContainedResource" || msg.FullName() == "google.protobuf.Any":
		f.kind = kindResource
		if f.name == "contained" {
			f.kind = kindContained
		}
		return nil
	case isPrimitive(msg):
		return m.fillPrimitive(f, msg)
	}
	d, err := m.define(msg)
	if err != nil {
		return err
	}
	f.kind = d.name
	if d.name == "Reference" {
		f.arg = m.targetSet(proto.GetExtension(fd.Options(), apb.E_ValidReferenceType).([]string))
	}
	return nil
}

func (m *model) fillPrimitive(f *field, msg protoreflect.MessageDescriptor) error {
	if msg.Parent() == msg.ParentFile() {
		name := string(msg.Name())
		f.kind = strings.ToLower(name[:1]) + name[1:]
		return nil
	}
	f.kind = "code"
	value := msg.Fields().ByName("value")
	if value == nil {
		return fmt.Errorf("%s has no value", msg.FullName())
	}
	if value.Enum() == nil {
		return nil // a code of an open value set: languages, MIME types, units …
	}
	url := proto.GetExtension(msg.Options(), apb.E_FhirValuesetUrl).(string)
	f.arg = m.codes(url, value.Enum())
	return nil
}

// targetSet gives the number of a set of reference targets; 0 when every type
// is allowed.
func (m *model) targetSet(types []string) int {
	if len(types) == 0 || slices.Contains(types, "Resource") {
		return 0
	}
	types = slices.Clone(types)
	slices.Sort(types)
	key := strings.Join(types, " ")
	if _, ok := m.byTargets[key]; !ok {
		m.targets = append(m.targets, types)
		m.byTargets[key] = len(m.targets)
	}
	return m.byTargets[key]
}

// codes gives the number of a value set.
func (m *model) codes(url string, enum protoreflect.EnumDescriptor) int {
	if n, ok := m.bySet[url]; ok {
		return n
	}
	set := valueSet{url: url}
	for i := range enum.Values().Len() {
		v := enum.Values().Get(i)
		if v.Number() == 0 {
			continue // INVALID_UNINITIALIZED
		}
		code := proto.GetExtension(v.Options(), apb.E_FhirOriginalCode).(string)
		if code == "" {
			code = strings.ToLower(strings.ReplaceAll(string(v.Name()), "_", "-"))
		}
		set.codes = append(set.codes, code)
	}
	slices.Sort(set.codes)
	m.valueSets = append(m.valueSets, set)
	m.bySet[url] = len(m.valueSets)
	return m.bySet[url]
}

func isRequired(fd protoreflect.FieldDescriptor) bool {
	return proto.GetExtension(fd.Options(), apb.E_ValidationRequirement).(apb.Requirement) == apb.Requirement_REQUIRED_BY_FHIR
}

func isChoice(msg protoreflect.MessageDescriptor) bool {
	return msg != nil && proto.GetExtension(msg.Options(), apb.E_IsChoiceType).(bool)
}

func isPrimitive(msg protoreflect.MessageDescriptor) bool {
	kind := proto.GetExtension(msg.Options(), apb.E_StructureDefinitionKind).(apb.StructureDefinitionKindValue)
	return kind == apb.StructureDefinitionKindValue_KIND_PRIMITIVE_TYPE
}
