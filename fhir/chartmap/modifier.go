package chartmap

import "strconv"

// modifiers lists where an overlay adds modifier extensions below what it adds.
func (o *overlay) modifiers(at string) []string {
	if o == nil {
		return nil
	}
	if o.Value != nil {
		if n, err := parseNode(o.Value, nil); err == nil {
			return n.modifiers(at)
		}
		return nil
	}
	var out []string
	for name, part := range o.Members {
		out = append(out, part.modifiers(at+"."+name)...)
	}
	for i, item := range o.Items {
		out = append(out, item.modifiers(at+"["+strconv.Itoa(i)+"]")...)
	}
	return out
}

func (n *node) modifiers(at string) []string {
	var out []string
	for _, m := range n.members {
		if m.name == "modifierExtension" {
			out = append(out, at+"."+m.name)
		}
		out = append(out, m.node.modifiers(at+"."+m.name)...)
	}
	for i, item := range n.items {
		out = append(out, item.modifiers(at+"["+strconv.Itoa(i)+"]")...)
	}
	return out
}
