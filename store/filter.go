package store

// Filter is a condition on one document: a closed algebra with MongoDB's
// meaning. A path is dotted ("name.last") and reaches through arrays of
// documents; where it meets an array, the condition holds when it holds for
// the array as a whole or for any element. Within Elem the path "" means the
// element itself. Values are always literals.
type Filter interface{ filter() }

type (
	// Eq holds where the value at Path equals Value. Numbers compare across
	// their types; null also matches a missing field.
	Eq struct {
		Path  string
		Value Value
	}

	// In holds where Eq holds for one of Values. No values match nothing.
	In struct {
		Path   string
		Values []Value
	}

	// Range holds where the value at Path is of the same kind as the bounds
	// (numbers, strings, dates …) and lies between them. At least one bound is
	// given. Each bound may be met by another element of an array; wrap the
	// Range in Elem to have one element meet both.
	Range struct {
		Path string
		Low  *Bound
		High *Bound
	}

	// Prefix holds where the string at Path starts with Value. With Fold both
	// are compared by their Folded form.
	Prefix struct {
		Path  string
		Value string
		Fold  bool
	}

	// Contains holds where the string at Path contains Value. With Fold both
	// are compared by their Folded form.
	Contains struct {
		Path  string
		Value string
		Fold  bool
	}

	// Exists holds where the field at Path is there, be it null (Want), or
	// is not there (not Want).
	Exists struct {
		Path string
		Want bool
	}

	// Elem holds where Path is an array with one element that satisfies
	// Where as a whole.
	Elem struct {
		Path  string
		Where Filter
	}

	// And holds where all of its parts hold; an empty And always does.
	And []Filter

	// Or holds where one of its parts holds; an empty Or never does.
	Or []Filter

	// Not holds where its part does not, missing fields included.
	Not struct{ Filter Filter }
)

// Bound is one end of a Range.
type Bound struct {
	Value     Value
	Inclusive bool
}

func (Eq) filter()       {}
func (In) filter()       {}
func (Range) filter()    {}
func (Prefix) filter()   {}
func (Contains) filter() {}
func (Exists) filter()   {}
func (Elem) filter()     {}
func (And) filter()      {}
func (Or) filter()       {}
func (Not) filter()      {}

// All matches every document.
func All() Filter { return And(nil) }

// None matches no document.
func None() Filter { return Or(nil) }

// EachPath calls yield with the path of each condition that f has on a document,
// the paths of Elem but not those within.
func EachPath(f Filter, yield func(path string)) {
	switch f := f.(type) {
	case And:
		for _, part := range f {
			EachPath(part, yield)
		}
	case Or:
		for _, part := range f {
			EachPath(part, yield)
		}
	case Not:
		EachPath(f.Filter, yield)
	default:
		if path, ok := pathOf(f); ok {
			yield(path)
		}
	}
}

// pathOf gives the path of a condition; And, Or and Not have none.
func pathOf(f Filter) (string, bool) {
	switch f := f.(type) {
	case Eq:
		return f.Path, true
	case In:
		return f.Path, true
	case Range:
		return f.Path, true
	case Prefix:
		return f.Path, true
	case Contains:
		return f.Path, true
	case Exists:
		return f.Path, true
	case Elem:
		return f.Path, true
	}
	return "", false
}

// WithPath gives a condition on one field another path; And, Or and Not stay as they are.
func WithPath(f Filter, path string) Filter {
	switch f := f.(type) {
	case Eq:
		f.Path = path
		return f
	case In:
		f.Path = path
		return f
	case Range:
		f.Path = path
		return f
	case Prefix:
		f.Path = path
		return f
	case Contains:
		f.Path = path
		return f
	case Exists:
		f.Path = path
		return f
	case Elem:
		f.Path = path
		return f
	}
	return f
}
