package search

import (
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// expr reads one filtering parameter: alternatives behind commas are an Or
// (R4 3.1.1.3.2). It returns nil after noting a problem.
func (r *reader) expr(param *fhir.SearchParam, modifier string, p Pair) fhir.Expr {
	if isText(param) {
		return r.text(param, modifier, p)
	}
	if modifier == string(fhir.ModMissing) {
		return r.missing(param, p)
	}
	m, ok := r.modifier(param, modifier, p)
	if !ok {
		return nil
	}
	parts := splitEscaped(p.Value, ',')
	if r.values += len(parts); r.values > maxValues {
		r.fail(fhir.CodeTooCostly, p.Name, "The search has more than %d values.", maxValues)
		return nil
	}
	or := make(fhir.Or, 0, len(parts))
	for _, part := range parts {
		prefix, value, problem := r.value(param, m.kind, m.target, part)
		if problem != "" {
			r.fail(fhir.CodeInvalid, p.Name, "%s", problem)
			return nil
		}
		or = append(or, fhir.Term{Param: param, Modifier: m.kind, Prefix: prefix, Value: value})
	}
	var e fhir.Expr = or
	if len(or) == 1 {
		e = or[0]
	}
	if m.not {
		e = fhir.Not{Expr: e}
	}
	return e
}

func (r *reader) missing(param *fhir.SearchParam, p Pair) fhir.Expr {
	if p.Value != "true" && p.Value != "false" {
		r.fail(fhir.CodeInvalid, p.Name, ":missing takes true or false.")
		return nil
	}
	return fhir.Term{Param: param, Modifier: fhir.ModMissing, Value: fhir.BoolValue(p.Value == "true")}
}

// modified is what a modifier asks for.
type modified struct {
	kind   fhir.Modifier
	target fhir.Type // of :[type]
	not    bool
}

// onType are the modifiers that a type of parameter has (R4 3.1.1.4.1), but
// for :missing, :not and :[type].
var onType = map[fhir.ParamType][]fhir.Modifier{
	fhir.ParamString:    {fhir.ModExact, fhir.ModContains},
	fhir.ParamToken:     {fhir.ModText, fhir.ModOfType, fhir.ModIn, fhir.ModAbove, fhir.ModBelow},
	fhir.ParamReference: {fhir.ModIdentifier},
	fhir.ParamURI:       {fhir.ModAbove, fhir.ModBelow},
}

// modifier resolves what stands behind the colon.
func (r *reader) modifier(param *fhir.SearchParam, s string, p Pair) (modified, bool) {
	switch {
	case s == "":
		return modified{}, true
	case param.Name == "_id" && s != "not":
		// Ids are logical: no coding, no hierarchy, nothing printed.
	case slices.Contains(onType[param.Type], fhir.Modifier(s)):
		return modified{kind: fhir.Modifier(s)}, true
	case param.Type == fhir.ParamToken && s == "not":
		return modified{not: true}, true
	case param.Type == fhir.ParamToken && s == "not-in":
		return modified{kind: fhir.ModIn, not: true}, true
	case param.Type == fhir.ParamReference && fhir.Type(s).Valid():
		if !allows(param, fhir.Type(s)) {
			r.fail(fhir.CodeInvalid, p.Name, "%q never refers to a %s.", param.Name, s)
			return modified{}, false
		}
		return modified{target: fhir.Type(s)}, true
	}
	r.refuse(p.Name, "The modifier :%s on the %s parameter %q is not supported.", s, param.Type, param.Name)
	return modified{}, false
}

func allows(param *fhir.SearchParam, t fhir.Type) bool {
	for _, target := range param.Targets {
		if target == t {
			return true
		}
	}
	return len(param.Targets) == 0
}

// value reads one alternative; problem says in a sentence what is wrong with it.
func (r *reader) value(param *fhir.SearchParam, m fhir.Modifier, target fhir.Type, s string) (prefix fhir.Prefix, v fhir.Value, problem string) {
	if s == "" {
		return "", nil, "The value is empty. To find resources without a value use :missing=true."
	}
	switch m {
	case fhir.ModText:
		return "", fhir.StringValue(unescape(s)), ""
	case fhir.ModIdentifier:
		v, problem = tokenValue(param, s)
		return "", v, problem
	case fhir.ModOfType:
		v, problem = ofTypeValue(s)
		return "", v, problem
	case fhir.ModIn:
		v, problem = r.valueSetValue(unescape(s))
		return "", v, problem
	}
	switch param.Type {
	case fhir.ParamString:
		return "", fhir.StringValue(unescape(s)), ""
	case fhir.ParamNumber:
		return numberValue(s)
	case fhir.ParamQuantity:
		return quantityValue(s)
	case fhir.ParamComposite:
		v, problem = r.compositeValue(param, s)
	case fhir.ParamToken:
		if v, problem = tokenValue(param, s); m != "" && problem == "" {
			problem = placed(v)
		}
	case fhir.ParamReference:
		v, problem = r.referenceValue(param, target, unescape(s))
	case fhir.ParamDate:
		return dateValue(s)
	case fhir.ParamURI:
		return "", fhir.URIValue(unescape(s)), ""
	case fhir.ParamSpecial:
		v, problem = nearValue(s)
	default:
		problem = "Parameters of type " + string(param.Type) + " are not supported."
	}
	return "", v, problem
}

// tokenValue reads [system|]code (R4 3.1.1.4.10).
func tokenValue(param *fhir.SearchParam, s string) (fhir.Value, string) {
	parts := splitEscaped(s, '|')
	if len(parts) > 2 {
		return nil, `A token is written code, system|code, |code or system|; a "|" within one of them is escaped as "\|".`
	}
	for i := range parts {
		parts[i] = unescape(parts[i])
	}
	if len(parts) == 1 {
		return fhir.TokenValue{Code: parts[0], AnySystem: true}, ""
	}
	switch {
	case param.Name == "_id":
		return nil, "_id is a logical id, without a system."
	case parts[0] == "" && parts[1] == "":
		return nil, "The token has neither system nor code."
	}
	return fhir.TokenValue{System: parts[0], Code: parts[1], AnyCode: parts[1] == ""}, ""
}

// placed says what a token lacks to stand in the hierarchy of a code system.
func placed(v fhir.Value) string {
	if t, ok := v.(fhir.TokenValue); ok && t.System != "" && t.Code != "" {
		return ""
	}
	return "The value of :above and :below is written system|code: a code has its place in a code system."
}

// valueSetValue reads what :in and :not-in take (R4 3.1.1.4.10): the canonical URL of
// a value set, or a reference to a ValueSet here.
func (r *reader) valueSetValue(s string) (fhir.Value, string) {
	switch ref := fhir.ParseReference(s, r.parser.Base); {
	case ref.Kind == fhir.RefLocal && ref.Key.Type == "ValueSet" && ref.Version == "":
		return fhir.URIValue(ref.Key.String()), ""
	case ref.Kind == fhir.RefExternal, ref.Kind == fhir.RefURN:
		return fhir.URIValue(s), ""
	}
	return nil, "A value set is named by its canonical URL, or as ValueSet/[id]."
}

// ofTypeValue reads system|code|value (R4 3.1.1.4.10).
func ofTypeValue(s string) (fhir.Value, string) {
	parts := splitEscaped(s, '|')
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return nil, "The value of :of-type is written system|code|value."
	}
	return fhir.OfTypeValue{System: unescape(parts[0]), Code: unescape(parts[1]), Value: unescape(parts[2])}, ""
}

// referenceValue reads id, Type/id or a URL (R4 3.1.1.4.12). A bare id takes
// the type of the modifier, or the only one that the parameter can refer to.
func (r *reader) referenceValue(param *fhir.SearchParam, target fhir.Type, s string) (fhir.Value, string) {
	if target == "" {
		target = onlyTarget(param)
	}
	if fhir.ValidID(s) {
		return fhir.ReferenceValue{Type: target, ID: s}, ""
	}
	switch ref := fhir.ParseReference(s, r.parser.Base); {
	case ref.Kind == fhir.RefLocal && target != "" && ref.Key.Type != target && strings.Contains(s, "/"):
		return fhir.ReferenceValue{Type: ref.Key.Type, ID: ref.Key.ID}, mismatch(param, target, ref.Key.Type)
	case ref.Kind == fhir.RefLocal:
		return fhir.ReferenceValue{Type: ref.Key.Type, ID: ref.Key.ID, Version: ref.Version}, ""
	case ref.Kind == fhir.RefExternal, ref.Kind == fhir.RefURN:
		return fhir.ReferenceValue{URL: s}, ""
	default:
		return nil, "A reference is written id, Type/id or as an absolute URL."
	}
}

func mismatch(param *fhir.SearchParam, want, got fhir.Type) string {
	return `"` + param.Name + `" refers to a ` + string(want) + ", not to a " + string(got) + "."
}

// onlyTarget is the type that a bare id must mean, if there is just one. The
// definitions of patient parameters list more targets than their expression
// lets through.
func onlyTarget(param *fhir.SearchParam) fhir.Type {
	if len(param.Targets) == 1 {
		return param.Targets[0]
	}
	const is = "resolve() is "
	first := strings.Index(param.Expression, is)
	if first < 0 {
		return ""
	}
	name := strings.TrimRight(param.Expression[first+len(is):], ")")
	name, _, _ = strings.Cut(name, ")")
	if strings.Count(param.Expression, is) != strings.Count(param.Expression, is+name) {
		return ""
	}
	return fhir.Type(name)
}

// dateValue reads [prefix]date (R4 3.1.1.4.7).
func dateValue(s string) (fhir.Prefix, fhir.Value, string) {
	prefix, s, ok := cutPrefix(s)
	if !ok {
		return "", nil, unknownPrefix
	}
	d, err := fhir.ParseDate(s)
	if err != nil {
		hint := ""
		if strings.Contains(s, " ") {
			hint = ` The "+" of a time zone must be percent-encoded as %2B.`
		}
		return "", nil, "Not a date. Use YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm[:ss[.fff]][Z or +hh:mm], with an optional prefix." + hint
	}
	return prefix, fhir.DateValue{Date: d}, ""
}

// splitEscaped cuts s at every sep that is not escaped by a backslash. The
// parts are still escaped.
func splitEscaped(s string, sep byte) []string {
	var parts []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case sep:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// unescape resolves \, \$ \| and \\ (R4 3.1.1.3.1); any other backslash stands for itself.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte(`,$|\`, s[i+1]) >= 0 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
