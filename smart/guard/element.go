package guard

// object gives the member that is an object; nil when there is none.
func (o object) object(name string) object {
	m, _ := o[name].(map[string]any)
	return m
}

// text gives the member that is a string.
func (o object) text(name string) string {
	s, _ := o[name].(string)
	return s
}

// each calls visit with the objects at a path, through all values of arrays.
func each(value any, path []string, visit func(object)) {
	switch v := value.(type) {
	case []any:
		for _, one := range v {
			each(one, path, visit)
		}
	case object:
		each(map[string]any(v), path, visit)
	case map[string]any:
		if len(path) == 0 {
			visit(v)
			return
		}
		each(v[path[0]], path[1:], visit)
	}
}

// references gives the texts of the References at a path, in their order; that of one
// without a text is empty.
func (o object) references(path []string) []string {
	var all []string
	each(o, path, func(ref object) { all = append(all, ref.text("reference")) })
	return all
}

// codes gives the codes of the CodeableConcepts with a name.
func (o object) codes(name string) []string {
	var all []string
	each(o, []string{name, "coding"}, func(c object) { all = append(all, c.text("code")) })
	return all
}
