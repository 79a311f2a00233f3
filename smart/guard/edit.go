package guard

import "slices"

// edit gives a JSON object with other values of some of its members: change gives that
// of each, or false to leave the member out. It is body itself when nothing changes.
func edit(body []byte, change func(m *members) (value []byte, keep bool)) []byte {
	m, ok := inside(body)
	var out []byte // nil as long as nothing differs
	for ok && m.next() {
		before := m.start
		value, keep := change(&m)
		same := keep && len(value) == len(m.value) && (len(value) == 0 || &value[0] == &m.value[0])
		if out == nil {
			if same {
				continue
			}
			out = append(make([]byte, 0, len(body)), body[:before]...)
			out = out[:len(trimmed(out))]
		}
		if keep {
			if out[len(out)-1] != '{' {
				out = append(out, ',')
			}
			out = append(append(out, body[before:m.end-len(m.value)]...), value...)
		}
	}
	if out == nil {
		return body
	}
	return append(out, '}')
}

// trimmed leaves out a comma, and white space, at the end.
func trimmed(b []byte) []byte {
	for len(b) > 0 && slices.Contains([]byte(" \n\t\r,"), b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// with gives a JSON object with one more member behind the others.
func with(body []byte, name string, value []byte) []byte {
	end := len(trimmed(body)) - 1 // of the object
	out := append(make([]byte, 0, len(body)+len(name)+len(value)+4), trimmed(body[:end])...)
	if out[len(out)-1] != '{' {
		out = append(out, ',')
	}
	out = append(append(append(append(out, '"'), name...), '"', ':'), value...)
	return append(out, '}')
}

// without gives a resource without some of its members; body itself when it has
// none of them.
func without(body []byte, names []string) []byte {
	if len(names) == 0 {
		return body
	}
	return edit(body, func(m *members) ([]byte, bool) {
		return m.value, !slices.ContainsFunc(names, func(name string) bool { return m.is(name) || m.is("_"+name) })
	})
}

// items gives the values of a JSON array, the value itself where it is an object, and
// nil for other values.
func items(list []byte) [][]byte {
	m, ok := inside(list)
	switch {
	case !ok:
		return nil
	case list[m.pos-1] == '{':
		return [][]byte{list}
	}
	var all [][]byte
	for m.next() {
		all = append(all, m.value)
	}
	return all
}

// listed is the inverse of items.
func listed(all [][]byte) []byte {
	out := []byte{'['}
	for i, one := range all {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, one...)
	}
	return append(out, ']')
}
