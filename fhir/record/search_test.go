package record_test

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
	fhirsearch "github.com/portico-fhir/portico/fhir/search"
)

func param(t testing.TB, name string) *fhir.SearchParam {
	t.Helper()
	return paramOf(t, "Basic", name)
}

func paramOf(t testing.TB, typ fhir.Type, name string) *fhir.SearchParam {
	t.Helper()
	p, ok := fhirsearch.Lookup(typ, name)
	if !ok {
		t.Fatal("no parameter", name)
	}
	return p
}

func date(t testing.TB, s string) fhir.DateValue {
	t.Helper()
	d, err := fhir.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return fhir.DateValue{Date: d}
}

func id(t testing.TB, code string) fhir.Term {
	t.Helper()
	return fhir.Term{Param: param(t, "_id"), Value: fhir.TokenValue{Code: code, AnySystem: true}}
}

// calendar fills r with Basics whose ids tell when they were last updated:
//
//	d1 Jan 1 00:00   d1e Jan 1 23:59:59.999   d2 Jan 2 00:00   d2ms Jan 2 00:00:00.001   d9 Jan 9 12:00   gone (deleted Jan 9)
func calendar(t *testing.T, r *record.Repository) {
	t.Helper()
	var c clock
	r.Now = c.now
	day := 24 * time.Hour
	for _, at := range []struct {
		id     string
		passed time.Duration
	}{{"d1", 0}, {"gone", 1}, {"d1e", day - time.Millisecond}, {"d2", day}, {"d2ms", day + time.Millisecond}, {"d9", 8*day + 12*time.Hour}} {
		c.passed = at.passed
		commit(t, r, put(at.id, at.id))
	}
	commit(t, r, remove("gone"))
}

func TestG7_5_LastUpdatedComparesAsDatesDo(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		calendar(t, r)
		for _, tt := range []struct {
			prefix fhir.Prefix
			date   string
			want   string
		}{
			{"", "2026-01-01", "d1 d1e"},
			{fhir.EQ, "2026-01-01", "d1 d1e"},
			{fhir.EQ, "2026", "d1 d1e d2 d2ms d9"},
			{fhir.EQ, "2025", ""},
			{fhir.EQ, "2026-01-02T00:00:00Z", "d2 d2ms"},
			{fhir.EQ, "2026-01-02T00:00:00.000Z", "d2"},
			{fhir.EQ, "2026-01-02T00:00:00.0000Z", "d2"},
			{fhir.EQ, "2026-01-02T00:00:00.0005Z", ""},
			{fhir.EQ, "2026-01-02T01:00:00.001+01:00", "d2ms"},
			{fhir.NE, "2026-01-02", "d1 d1e d9"},
			{fhir.GT, "2026-01-01", "d2 d2ms d9"},
			{fhir.SA, "2026-01-01", "d2 d2ms d9"},
			{fhir.GT, "2026-01-02T00:00:00.000Z", "d2ms d9"},
			{fhir.GE, "2026-01-02", "d2 d2ms d9"},
			{fhir.GE, "2026-01-02T00:00:00.0001Z", "d2ms d9"},
			{fhir.LT, "2026-01-02", "d1 d1e"},
			{fhir.EB, "2026-01-02", "d1 d1e"},
			{fhir.LT, "2026-01-02T00:00:00.0005Z", "d1 d1e d2"},
			{fhir.LE, "2026-01-02", "d1 d1e d2 d2ms"},
			{fhir.LE, "2026-01-02T00:00:00.000Z", "d1 d1e d2"},
			// It is Jan 9 12:00: a tenth of the 7.5 days since Jan 2 is 18 hours.
			{fhir.AP, "2026-01-02T00:00:00Z", "d1e d2 d2ms"},
			{fhir.AP, "2026-01-09T12:00:00Z", "d9"},
		} {
			where := fhir.Term{Param: param(t, "_lastUpdated"), Prefix: tt.prefix, Value: date(t, tt.date)}
			got := strings.Join(search(t, r, fhir.Query{Type: "Basic", Where: where, Count: 2}), " ")
			if got != tt.want {
				t.Errorf("%s%s finds %q, want %q", tt.prefix, tt.date, got, tt.want)
			}
		}
	})
}

func TestG7_5_ADateWithoutAZoneIsLocal(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		calendar(t, r)
		r.Location = time.FixedZone("", 3600)
		where := fhir.Term{Param: param(t, "_lastUpdated"), Value: date(t, "2026-01-02")}
		if got := search(t, r, fhir.Query{Type: "Basic", Where: where, Count: 9}); !slices.Equal(got, []string{"d1e", "d2", "d2ms"}) {
			t.Errorf("found %v", got)
		}
	})
}

func TestG7_16_ById(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		calendar(t, r)
		token := func(v fhir.TokenValue) fhir.Term { return fhir.Term{Param: param(t, "_id"), Value: v} }
		missing := func(name string, v bool) fhir.Term {
			return fhir.Term{Param: param(t, name), Modifier: fhir.ModMissing, Value: fhir.BoolValue(v)}
		}
		for _, tt := range []struct {
			claim string
			where fhir.Expr
			want  string
		}{
			{"everything but what was deleted", nil, "d1 d1e d2 d2ms d9"},
			{"one", id(t, "d2"), "d2"},
			{"none", id(t, "d3"), ""},
			{"a deleted one", id(t, "gone"), ""},
			{"ids know case", id(t, "D2"), ""},
			{"several", fhir.Or{id(t, "d9"), id(t, "d1"), id(t, "x"), id(t, "d1")}, "d1 d9"},
			{"none of several", fhir.Not{Expr: fhir.Or{id(t, "d9"), id(t, "d1")}}, "d1e d2 d2ms"},
			{"an empty Or", fhir.Or{}, ""},
			{"both", fhir.And{id(t, "d9"), id(t, "d1")}, ""},
			{"an Or of different parameters", fhir.Or{id(t, "d9"), fhir.Term{Param: param(t, "_lastUpdated"), Prefix: fhir.LT, Value: date(t, "2026-01-02")}}, "d1 d1e d9"},
			{"without a system", token(fhir.TokenValue{Code: "d1"}), "d1"},
			{"with a system", token(fhir.TokenValue{System: "http://x", Code: "d1"}), ""},
			{"every code of a system", token(fhir.TokenValue{System: "http://x", AnyCode: true}), ""},
			{"with a system, among several", fhir.Or{token(fhir.TokenValue{System: "http://x", Code: "d1"}), id(t, "d2")}, "d2"},
			{"without an id", missing("_id", true), ""},
			{"with an id", missing("_id", false), "d1 d1e d2 d2ms d9"},
			{"never updated", missing("_lastUpdated", true), ""},
			{"updated", missing("_lastUpdated", false), "d1 d1e d2 d2ms d9"},
			{"text that looks like an operator", id(t, "$ne"), ""},
		} {
			for _, count := range []int{1, 2, 5, 9} {
				got := strings.Join(search(t, r, fhir.Query{Type: "Basic", Where: tt.where, Count: count}), " ")
				if got != tt.want {
					t.Errorf("%s, pages of %d: found %q, want %q", tt.claim, count, got, tt.want)
				}
			}
			page, err := r.Search(t.Context(), &fhir.Query{Type: "Basic", Where: tt.where})
			if err != nil {
				t.Fatal(err)
			}
			if want := int64(len(strings.Fields(tt.want))); page.Total == nil || *page.Total != want || len(page.Resources) != 0 || page.Next != "" {
				t.Errorf("%s: a count of %+v, want %d", tt.claim, page, want)
			}
		}
	})
}

func TestG7_13_SortsAndPages(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		calendar(t, r)
		commit(t, r, put("aa", "like d9"), put("zz", "like d9"))
		byTime, byID := param(t, "_lastUpdated"), param(t, "_id")
		for _, tt := range []struct {
			claim string
			sort  []fhir.SortKey
			want  string
		}{
			{"by id without a wish", nil, "aa d1 d1e d2 d2ms d9 zz"},
			{"by id", []fhir.SortKey{{Param: byID}}, "aa d1 d1e d2 d2ms d9 zz"},
			{"by id, last first", []fhir.SortKey{{Param: byID, Desc: true}}, "zz d9 d2ms d2 d1e d1 aa"},
			{"by time", []fhir.SortKey{{Param: byTime}}, "d1 d1e d2 d2ms aa d9 zz"},
			{"by time, newest first", []fhir.SortKey{{Param: byTime, Desc: true}}, "zz d9 aa d2ms d2 d1e d1"},
			{"by time, newest first, then by id", []fhir.SortKey{{Param: byTime, Desc: true}, {Param: byID}}, "aa d9 zz d2ms d2 d1e d1"},
		} {
			for count := 1; count <= 8; count++ {
				got := strings.Join(search(t, r, fhir.Query{Type: "Basic", Sort: tt.sort, Count: count}), " ")
				if got != tt.want {
					t.Errorf("%s, pages of %d: found %q, want %q", tt.claim, count, got, tt.want)
				}
			}
		}
	})
}

func TestG7_14_PagesStandWhileOthersWrite(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		calendar(t, r)
		q := fhir.Query{Type: "Basic", Count: 2, Total: true}
		first, err := r.Search(t.Context(), &q)
		if err != nil || first.Total == nil || *first.Total != 5 {
			t.Fatalf("%+v, %v", first, err)
		}
		commit(t, r, put("a-new-one-in-front", "x"), remove("d1e"))
		q.Cursor = first.Next
		if diff := cmp.Diff([]string{"d2", "d2ms", "d9"}, search(t, r, q)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestSearchRefuses(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		calendar(t, r)
		content := param(t, "_content")
		for claim, q := range map[string]fhir.Query{
			"another parameter":          {Where: fhir.Term{Param: content, Value: fhir.TokenValue{Code: "x", AnySystem: true}}},
			"another parameter, missing": {Where: fhir.Term{Param: content, Modifier: fhir.ModMissing, Value: fhir.BoolValue(true)}},
			"deep inside":                {Where: fhir.And{fhir.Not{Expr: fhir.Or{id(t, "x"), fhir.Term{Param: content, Value: fhir.TokenValue{Code: "x"}}}}}},
			"another sort":               {Sort: []fhir.SortKey{{Param: content}}},
			"a modifier":                 {Where: fhir.Term{Param: param(t, "_id"), Modifier: fhir.ModContains, Value: fhir.TokenValue{Code: "x"}}},
			"a modifier among several":   {Where: fhir.Or{fhir.Term{Param: param(t, "_id"), Modifier: fhir.ModExact, Value: fhir.TokenValue{Code: "x", AnySystem: true}}}},
		} {
			q.Type, q.Count = "Basic", 5
			_, err := r.Search(t.Context(), &q)
			wantCode(t, claim, err, fhir.CodeNotSupported)
		}
		for _, cursor := range []string{"x", "\x02", "\x02\xff\xff\xff\x7f", "\x7f"} {
			_, err := r.Search(t.Context(), &fhir.Query{Type: "Basic", Count: 5, Cursor: cursor})
			if err == nil {
				t.Errorf("the cursor %q is taken", cursor)
			}
		}
	})
}

func TestG7_4_RecordsAreFoundByR4sParameters(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		r.Base = "http://localhost:8080/fhir"
		observation := func(id, patient, code, at, value string) fhir.Change {
			body := fmt.Sprintf(`{"resourceType": "Observation", "id": %q, "status": "final", "code": {"coding": [{"system": "http://loinc.org", "code": %q}]},
				"category": [{"coding": [{"system": "c", "code": "laboratory"}]}], "subject": {"reference": "Patient/%s"},
				"effectiveDateTime": %q, "valueQuantity": {"value": %s, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}}`, id, code, patient, at, value)
			return fhir.Change{Method: fhir.Put, Key: fhir.Key{Type: "Observation", ID: id}, Body: []byte(body)}
		}
		commit(t, r,
			observation("o1", "amy", "29463-7", "2026-01-01T10:00:00Z", "70"),
			observation("o2", "amy", "8302-2", "2026-02-01", "170"),
			observation("o3", "tom", "29463-7", "2026-03-01T10:00:00Z", "71.5"),
			observation("o4", "amy", "29463-7", "2026-04-01T10:00:00Z", "70.4"),
			observation("o5", "amy", "29463-7", "2026-05-01T10:00:00Z", "99"))
		commit(t, r, fhir.Change{Method: fhir.Delete, Key: fhir.Key{Type: "Observation", ID: "o5"}})
		p := func(name string) *fhir.SearchParam { return paramOf(t, "Observation", name) }
		patient := fhir.Term{Param: p("patient"), Value: fhir.ReferenceValue{Type: "Patient", ID: "amy"}}
		weight := fhir.Term{Param: p("code"), Value: fhir.TokenValue{System: "http://loinc.org", Code: "29463-7"}}
		seventy := fhir.QuantityValue{NumberValue: fhir.NumberValue{Value: big.NewRat(70, 1), Low: big.NewRat(139, 2), High: big.NewRat(141, 2)}, Code: "kg"}
		byDate := func(desc bool) []fhir.SortKey { return []fhir.SortKey{{Param: p("date"), Desc: desc}} }
		for _, tt := range []struct {
			claim string
			where fhir.Expr
			sort  []fhir.SortKey
			want  string
		}{
			{"a patient's, newest first", patient, nil, "o4 o2 o1"},
			{"a patient's weights", fhir.And{patient, weight}, byDate(true), "o4 o1"},
			{"a patient's weights, oldest first", fhir.And{weight, patient}, byDate(false), "o1 o4"},
			{"a patient's, of several codes", fhir.And{patient, fhir.Or{weight, fhir.Term{Param: p("code"), Value: fhir.TokenValue{Code: "8302-2", AnySystem: true}}}}, nil, "o4 o2 o1"},
			{"all but the weights", fhir.Not{Expr: weight}, nil, "o2"},
			{"in a month", fhir.Term{Param: p("date"), Value: date(t, "2026-02")}, nil, "o2"},
			{"since a day", fhir.And{patient, fhir.Term{Param: p("date"), Prefix: fhir.GE, Value: date(t, "2026-02-01")}}, nil, "o4 o2"},
			{"by its quantity", fhir.Term{Param: p("value-quantity"), Value: seventy}, byDate(true), "o4 o1"},
			{"by code and quantity of one element", fhir.Term{Param: p("code-value-quantity"), Value: fhir.CompositeValue{
				{Param: p("code"), Value: weight.Value}, {Param: p("value-quantity"), Prefix: fhir.GT, Value: seventy},
			}}, nil, "o4 o3"},
			{"without a performer", fhir.Term{Param: p("performer"), Modifier: fhir.ModMissing, Value: fhir.BoolValue(true)}, nil, "o4 o3 o2 o1"},
		} {
			for _, count := range []int{1, 2, 9} {
				got := strings.Join(search(t, r, fhir.Query{Type: "Observation", Where: tt.where, Sort: tt.sort, Count: count}), " ")
				if got != tt.want {
					t.Errorf("%s, pages of %d: found %q, want %q", tt.claim, count, got, tt.want)
				}
			}
			page, err := r.Search(t.Context(), &fhir.Query{Type: "Observation", Where: tt.where})
			if want := int64(len(strings.Fields(tt.want))); err != nil || *page.Total != want {
				t.Errorf("%s: total %v, %v; want %d", tt.claim, page.Total, err, want)
			}
		}
	})
}

func TestG7_19_PagesOfLargeResourcesAreShort(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		const large = 3 << 20
		for i := range 5 {
			res := commit(t, r,
				fhir.Change{Method: fhir.Put, Key: basic(fmt.Sprint("r", i)), Body: sized(large)},
				fhir.Change{Method: fhir.Put, Key: basic("v"), Body: sized(large + i)})
			if want := fmt.Sprint(i + 1); res[1].Resource.Version != want {
				t.Fatalf("version %s, want %s", res[1].Resource.Version, want)
			}
		}
		sizes := func(next func(cursor string) (fhir.Page, error)) (sizes []int) {
			for cursor := ""; ; {
				page, err := next(cursor)
				if err != nil {
					t.Fatal(err)
				}
				sizes = append(sizes, len(page.Resources))
				if cursor = page.Next; cursor == "" {
					return sizes
				}
			}
		}
		got := sizes(func(cursor string) (fhir.Page, error) {
			return r.Search(t.Context(), &fhir.Query{Type: "Basic", Count: 100, Cursor: cursor})
		})
		if !slices.Equal(got, []int{3, 3}) {
			t.Errorf("searching, pages of %v", got)
		}
		got = sizes(func(cursor string) (fhir.Page, error) {
			return r.History(t.Context(), fhir.HistoryQuery{Key: basic("v"), Count: 100, Cursor: cursor})
		})
		if !slices.Equal(got, []int{3, 2}) {
			t.Errorf("the history, pages of %v", got)
		}
	})
}
