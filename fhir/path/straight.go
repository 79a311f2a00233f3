package path

// straight is an expression that is a path and at most one condition on what is at its
// end, as most of R4's search parameters are: Observation.code,
// (Observation.value as Quantity), Observation.subject.where(resolve() is Patient). It is
// carried out without an evaluator.
type straight struct {
	names  []string
	as     string // the type to select; "" for any
	target string // the type that a reference must be to; "" for any
}

// straightOf gives the straight form of an expression, nil where it has none.
func straightOf(n Node) *straight {
	switch n := n.(type) {
	case *Member:
		if names, base := n.chain(nil); base == nil {
			return &straight{names: names}
		}
	case *TypeOp:
		if n.Op == "as" {
			return straightOf(n.Input).selecting(n.Type)
		}
	case *Call:
		switch n.Name {
		case "as", "ofType":
			if name, ok := typeArgument(n.Args[0]); ok && n.Input != nil {
				return straightOf(n.Input).selecting(name)
			}
		case "where":
			if target := resolvedType(n.Args[0]); target != "" && n.Input != nil {
				return straightOf(n.Input).to(target)
			}
		}
	}
	return nil
}

// resolvedType gives T of "resolve() is T"; "" for anything else.
func resolvedType(n Node) string {
	is, ok := n.(*TypeOp)
	if !ok || is.Op != "is" {
		return ""
	}
	if call, ok := is.Input.(*Call); !ok || call.Name != "resolve" || call.Input != nil {
		return ""
	}
	return is.Type
}

// plain reports whether it is a path alone.
func (s *straight) plain() bool { return s != nil && s.as == "" && s.target == "" }

func (s *straight) selecting(as string) *straight {
	if !s.plain() {
		return nil
	}
	return &straight{names: s.names, as: as}
}

func (s *straight) to(target string) *straight {
	if !s.plain() {
		return nil
	}
	return &straight{names: s.names, target: target}
}

// appendTo appends what is found from an item of a document, in at most so many steps.
func (s *straight) appendTo(out Collection, from Item, steps int) (Collection, error) {
	names := from.withoutType(s.names)
	if len(names) == 0 {
		return s.appendFit(out, from), nil
	}
	done := from.doc.walk(from.at, names, func(at int32, end bool) bool {
		if end {
			out = s.appendFit(out, from.doc.item(at))
		}
		steps--
		return steps >= 0
	})
	if !done {
		return nil, ErrTooCostly
	}
	return out, nil
}

// appendFit appends an item if it meets the condition.
func (s *straight) appendFit(out Collection, it Item) Collection {
	switch {
	case s.as != "" && !it.is(s.as):
		return out
	case s.target != "":
		if target, ok := it.resolve(); !ok || !target.is(s.target) {
			return out
		}
	}
	return append(out, it)
}
