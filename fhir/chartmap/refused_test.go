package chartmap_test

import (
	"errors"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"math/big"
	"reflect"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
)

// modifiers and searchValues are all that a Term can carry.
func modifiers() []fhir.Modifier {
	return []fhir.Modifier{
		fhir.ModMissing, fhir.ModExact, fhir.ModContains, fhir.ModIdentifier, fhir.ModOfType, fhir.ModText, fhir.ModAbove, fhir.ModBelow,
		fhir.ModIn,
		fhir.ModEqual, fhir.ModUnequal, fhir.ModEnds, fhir.ModGreater, fhir.ModLess, fhir.ModGreaterEqual, fhir.ModLessEqual,
	}
}

func searchValues(t *testing.T) []fhir.Value {
	t.Helper()
	date, err := fhir.ParseDate("2026-03")
	if err != nil {
		t.Fatal(err)
	}
	number := fhir.NumberValue{Value: big.NewRat(1, 1), Low: big.NewRat(1, 2), High: big.NewRat(3, 2)}
	return []fhir.Value{
		fhir.StringValue("x"),
		fhir.TokenValue{Code: "x", AnySystem: true},
		fhir.ReferenceValue{Type: "Patient", ID: "x"},
		fhir.DateValue{Date: date},
		fhir.URIValue("urn:x"), fhir.BoolValue(true), number,
		fhir.QuantityValue{NumberValue: number},
		fhir.CompositeValue{},
		fhir.OfTypeValue{Code: "x", Value: "x"},
		fhir.NewTokenSet([]fhir.TokenValue{{System: "urn:x", Code: "x"}}),
		fhir.WordsValue{Text: "x"},
		fhir.NearValue{},
		nil,
	}
}

// fits lists what the chart map answers; all else is refused.
func fits(p *fhir.SearchParam, m fhir.Modifier, v fhir.Value) bool {
	switch v.(type) {
	case fhir.BoolValue:
		return m == fhir.ModMissing
	case fhir.StringValue:
		return p.Type == fhir.ParamString && (m == "" || m == fhir.ModExact || m == fhir.ModContains || m == fhir.ModEnds || m.Compares())
	case fhir.TokenValue:
		return p.Type == fhir.ParamToken && (m == "" || m == fhir.ModUnequal)
	case fhir.TokenSet:
		return p.Type == fhir.ParamToken && m == ""
	case fhir.ReferenceValue:
		return p.Type == fhir.ParamReference && m == ""
	case fhir.DateValue:
		return p.Type == fhir.ParamDate && m == ""
	case fhir.URIValue:
		return p.Type == fhir.ParamURI && (m == "" || m == fhir.ModUnequal)
	case fhir.QuantityValue:
		return p.Type == fhir.ParamQuantity && m == ""
	}
	return false
}

func TestWhatHasNoCounterpartInTheEHRIsRefused(t *testing.T) {
	t.Parallel()
	r := demoRepository(t)
	refused := func(q *fhir.Query) bool {
		_, err := r.Search(t.Context(), q)
		if err == nil {
			return false
		}
		var fe *fhir.Error
		if !errors.As(err, &fe) || fe.Code() != fhir.CodeNotSupported {
			t.Errorf("%s where %s: %v", q.Type, show(q.Where), err)
		}
		return true
	}
	never := fhir.Or{}
	for _, typ := range r.Map.Types() {
		for _, p := range r.Describe(typ).Params {
			for _, m := range append(modifiers(), "", "not-a-modifier") {
				for _, v := range searchValues(t) {
					term := fhir.Term{Param: p, Modifier: m, Value: v}
					// What nothing matches is refused as well.
					for _, e := range []fhir.Expr{term, fhir.And{never, fhir.Not{Expr: term}}} {
						if got := refused(&fhir.Query{Type: typ, Where: e, Count: 1}); got == fits(p, m, v) {
							t.Errorf("%s?%s:%s with a %T: refused is %t", typ, p.Name, m, v, got)
						}
					}
				}
			}
		}
		patient, ok := search.Lookup("Observation", "patient")
		if !ok {
			t.Fatal("no patient")
		}
		for _, e := range []fhir.Expr{
			fhir.Chain{Param: patient, Target: "Patient"},
			fhir.Has{Source: "Observation", Param: patient},
			fhir.And{never, fhir.Chain{Param: patient, Target: "Patient"}},
			fhir.Term{},
			fhir.Term{Param: &fhir.SearchParam{Name: "mine"}, Value: fhir.StringValue("x")},
		} {
			if !refused(&fhir.Query{Type: typ, Where: e, Count: 1}) {
				t.Errorf("%s: %T is not refused", typ, e)
			}
		}
		if !refused(&fhir.Query{Type: typ, Count: 1, Include: []fhir.Include{{Source: typ}}}) {
			t.Errorf("%s: an include is not refused", typ)
		}
		for _, k := range []fhir.SortKey{{}, {Param: &fhir.SearchParam{Name: "mine"}}} {
			if !refused(&fhir.Query{Type: typ, Where: never, Sort: []fhir.SortKey{k}, Count: 1}) {
				t.Errorf("%s: sorting by %v is not refused", typ, k.Param)
			}
		}
	}
}

// TestAllModifiersAndValuesAreTried keeps the lists above as long as fhir's.
func TestAllModifiersAndValuesAreTried(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(gotoken.NewFileSet(), "../query.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]bool{}
	for _, v := range searchValues(t) {
		if v != nil {
			values[reflect.TypeOf(v).Name()] = true
		}
	}
	mods := 0
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if recv, ok := receiver(d); ok && d.Name.Name == "value" && !values[recv] {
				t.Errorf("a %s is not tried", recv)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if v, ok := s.(*ast.ValueSpec); ok {
					if id, ok := v.Type.(*ast.Ident); ok && id.Name == "Modifier" {
						mods += len(v.Names)
					}
				}
			}
		}
	}
	if mods != len(modifiers()) {
		t.Errorf("fhir has %d modifiers, of which %d are tried", mods, len(modifiers()))
	}
}

func receiver(d *ast.FuncDecl) (string, bool) {
	if d.Recv == nil {
		return "", false
	}
	id, ok := d.Recv.List[0].Type.(*ast.Ident)
	if !ok {
		return "", false
	}
	return id.Name, true
}
