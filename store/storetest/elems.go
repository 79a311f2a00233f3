package storetest

import "github.com/portico-fhir/portico/store"

func elemClaims() []filterClaim {
	elem := func(f store.Filter) store.Filter { return store.Elem{Path: "a", Where: f} }
	return []filterClaim{
		{
			"Elem wants one element that satisfies all", elem(store.And{eq("x", 1), eq("y", 2)}),
			docs{`{"a":[{"x":1,"y":2}]}`, `{"a":[{"x":0},{"x":1,"y":2}]}`},
			docs{`{"a":[{"x":1},{"y":2}]}`, `{"a":{"x":1,"y":2}}`, `{"a":[]}`, `{}`, `{"a":[1]}`},
		},
		{
			"without Elem each condition may be met by another element",
			store.And{eq("a.x", 1), eq("a.y", 2)},
			docs{`{"a":[{"x":1},{"y":2}]}`, `{"a":{"x":1,"y":2}}`},
			docs{`{"a":[{"x":1}]}`},
		},
		{"Elem takes only arrays", elem(eq("", 1)), docs{`{"a":[1]}`}, docs{`{"a":1}`, `{"a":{"0":1}}`}},
		{"Elem on the element itself does not look into it", elem(eq("", 1)), docs{`{"a":[[5],1]}`}, docs{`{"a":[[1]]}`}},
		{
			"Elem with Not wants one element that is not so", elem(store.Not{Filter: eq("", 1)}),
			docs{`{"a":[1,2]}`, `{"a":["x"]}`},
			docs{`{"a":[1]}`, `{"a":[]}`, `{"a":2}`},
		},
		{
			"Elem with Or takes either", elem(store.Or{eq("", 1), store.Prefix{Value: "x"}}),
			docs{`{"a":[1]}`, `{"a":["xy"]}`},
			docs{`{"a":["y",2]}`},
		},
		{"Elem with In", elem(store.In{Values: []store.Value{store.V(1), store.V(2)}}), docs{`{"a":[0,2]}`}, docs{`{"a":[0,3]}`, `{"a":2}`}},
		{"Elem with Eq null wants a null element", elem(eq("", nil)), docs{`{"a":[null]}`}, docs{`{"a":[]}`, `{"a":[1]}`, `{"a":null}`, `{}`}},
		{"Elem on fields passes over scalars", elem(eq("b", nil)), docs{`{"a":[1,{"c":1}]}`}, docs{`{"a":[1]}`, `{"a":[{"b":1}]}`, `{"a":[]}`}},
		{
			"Elem with Not on a field passes over scalars", elem(store.Not{Filter: eq("b", 1)}),
			docs{`{"a":[{"b":2}]}`, `{"a":[{}]}`},
			docs{`{"a":[1]}`, `{"a":[{"b":1}]}`},
		},
		{
			"Elem with Or on fields", elem(store.And{store.Or{eq("b", 1), eq("c", 1)}, eq("d", 1)}),
			docs{`{"a":[{"c":1,"d":1}]}`},
			docs{`{"a":[{"c":1},{"d":1}]}`},
		},
		{
			"Elem reaches dotted paths within the element", elem(eq("b.c", 1)),
			docs{`{"a":[{"b":{"c":1}}]}`, `{"a":[{"b":[{"c":1}]}]}`},
			docs{`{"a":[{"b":1}]}`, `{"a":{"b":{"c":1}}}`},
		},
		{
			"Elem within Elem on fields", elem(store.And{eq("x", 1), store.Elem{Path: "b", Where: store.And{eq("c", 1), eq("d", 1)}}}),
			docs{`{"a":[{"x":1,"b":[{"c":1,"d":1}]}]}`},
			docs{`{"a":[{"x":1,"b":[{"c":1},{"d":1}]}]}`, `{"a":[{"b":[{"c":1,"d":1}]}]}`},
		},
		{
			"Elem within Elem on the element itself takes arrays in arrays", elem(store.Elem{Where: eq("", 1)}),
			docs{`{"a":[[1,2]]}`},
			docs{`{"a":[1]}`, `{"a":[[2]]}`},
		},
		{"Elem on fields takes an array as a document of positions", elem(eq("1", 5)), docs{`{"a":[[4,5]]}`, `{"a":[{"1":5}]}`}, docs{`{"a":[4,5]}`}},
		{
			"Elem on a dotted path",
			store.Elem{Path: "a.b", Where: eq("", 1)},
			docs{`{"a":{"b":[1]}}`, `{"a":[{"b":[2]},{"b":[1]}]}`},
			docs{`{"a":{"b":1}}`, `{"a":[{"b":1}]}`},
		},
		{"Elem at a position", store.Elem{Path: "a.0", Where: eq("", 1)}, docs{`{"a":[[1]]}`}, docs{`{"a":[1]}`, `{"a":[0,[1]]}`}},
		{"Elem with Exists asks for the field", elem(store.Exists{Path: "b", Want: true}), docs{`{"a":[{"b":null}]}`}, docs{`{"a":[{}]}`, `{"a":[1]}`}},
		{"Elem with an empty And wants any element", elem(store.All()), docs{`{"a":[1]}`, `{"a":[null]}`, `{"a":[{}]}`}, docs{`{"a":[]}`, `{"a":1}`, `{}`}},
		{"Elem with an empty Or takes nothing", elem(store.None()), nil, docs{`{"a":[1]}`, `{"a":[{}]}`}},
	}
}

func algebraClaims() []filterClaim {
	return []filterClaim{
		{"no filter takes everything", nil, docs{`{}`, `{"a":1}`}, nil},
		{"the empty And takes everything", store.And{}, docs{`{}`, `{"a":1}`}, nil},
		{"the empty Or takes nothing", store.Or{}, nil, docs{`{}`, `{"a":1}`}},
		{"And wants all", store.And{eq("a", 1), eq("b", 2)}, docs{`{"a":1,"b":2}`}, docs{`{"a":1}`, `{"b":2}`, `{}`}},
		{"And wants several elements of one array", store.And{eq("a", 1), eq("a", 2)}, docs{`{"a":[2,1]}`}, docs{`{"a":[1]}`, `{"a":2}`}},
		{"Or wants one", store.Or{eq("a", 1), eq("b", 2)}, docs{`{"a":1,"b":2}`, `{"a":1}`, `{"b":2}`}, docs{`{"a":2}`, `{}`}},
		{"Not takes missing", store.Not{Filter: eq("a", 1)}, docs{`{}`, `{"a":2}`, `{"a":null}`, `{"a":[]}`}, docs{`{"a":1}`, `{"a":[2,1]}`}},
		{"Not In takes missing", store.Not{Filter: store.In{Path: "a", Values: []store.Value{store.V(1), store.V(2)}}}, docs{`{}`, `{"a":3}`}, docs{`{"a":1}`, `{"a":[5,2]}`}},
		{"Not Eq null wants something there", store.Not{Filter: eq("a", nil)}, docs{`{"a":1}`, `{"a":[]}`}, docs{`{}`, `{"a":null}`, `{"a":[null]}`}},
		{
			"Not of a Range takes other kinds",
			store.Not{Filter: store.Range{Path: "a", Low: &store.Bound{Value: store.V(5)}}},
			docs{`{"a":4}`, `{"a":"9"}`, `{}`},
			docs{`{"a":6}`, `{"a":[1,6]}`},
		},
		{"Not of And", store.Not{Filter: store.And{eq("a", 1), eq("b", 1)}}, docs{`{"a":1}`, `{}`}, docs{`{"a":1,"b":1}`}},
		{"Not of Or", store.Not{Filter: store.Or{eq("a", 1), eq("b", 1)}}, docs{`{"a":2}`, `{}`}, docs{`{"a":1}`, `{"b":1}`}},
		{"Not of Not", store.Not{Filter: store.Not{Filter: eq("a", 1)}}, docs{`{"a":1}`}, docs{`{"a":2}`, `{}`}},
		{"Not of Elem", store.Not{Filter: store.Elem{Path: "a", Where: eq("b", 1)}}, docs{`{"a":[{"b":2}]}`, `{"a":[]}`, `{}`, `{"a":{"b":1}}`}, docs{`{"a":[{"b":1}]}`}},
		{"Not of Prefix takes other kinds", store.Not{Filter: store.Prefix{Path: "a", Value: "x"}}, docs{`{"a":1}`, `{}`, `{"a":"y"}`}, docs{`{"a":"xy"}`}},
		{"Not of nothing", store.Not{Filter: store.None()}, docs{`{}`, `{"a":1}`}, nil},
	}
}
