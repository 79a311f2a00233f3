package sqlite

import (
	"fmt"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

// downgrade brings a file back to format 1: a row for each index entry, no lists, no
// counters.
func downgrade(t *testing.T, dir string) {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := s.writer
	err = w.alone(t.Context(), func() error {
		for _, coll := range w.cat.collections {
			if err := w.conn.exec(fmt.Sprintf("DROP TABLE l%d", coll.cid)); err != nil {
				return err
			}
			for _, ix := range coll.indexes {
				if err := rowByRow(w, ix); err != nil {
					return err
				}
			}
		}
		return w.conn.exec("DROP TABLE portico_counts; DROP TABLE portico_recent; DROP TABLE portico_strings; PRAGMA user_version=1")
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func rowByRow(w *writer, ix *index) error {
	walk, err := newWalk(w.conn, nil, &access{ix: ix, lanes: []lane{{spans: []span{{[]byte{}, []byte{0xFF}}}}}})
	if err != nil {
		return err
	}
	var rows []row
	for {
		e, err := walk.next()
		if err != nil {
			return err
		}
		if e == nil {
			break
		}
		rows = append(rows, row{slices.Clone(e.key), e.rid})
	}
	walk.close()
	w.conn.forget()
	table := fmt.Sprintf("i%d", ix.iid)
	err = w.conn.exec("DROP TABLE " + table + "; CREATE TABLE " + table + "(key BLOB NOT NULL, rid INTEGER NOT NULL, PRIMARY KEY(key, rid)) WITHOUT ROWID")
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := w.conn.run("INSERT INTO "+table+" VALUES(?,?)", r.key, r.rid); err != nil {
			return err
		}
	}
	return nil
}

func TestAFileOfFormat1IsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	indexes := []store.Index{
		{Collection: "A", Name: "n", Keys: []store.Key{{Path: "n", Desc: true}}},
		{Collection: "A", Name: "u", Keys: []store.Key{{Path: "u"}}, Unique: true},
	}
	if err := s.Ensure(t.Context(), indexes); err != nil {
		t.Fatal(err)
	}
	var ops []store.Op
	for i := range 500 {
		doc, err := bson.Marshal(bson.D{{Key: "_id", Value: i}, {Key: "n", Value: []int{i % 7, i % 5}}, {Key: "u", Value: i}})
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, store.Op{Kind: store.Insert, Collection: "A", Doc: doc})
	}
	if err := s.Apply(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	downgrade(t, dir)
	for range 2 { // the second time there is nothing to do
		s = open(t, dir, Options{})
		plan, err := s.Explain(t.Context(), store.Query{Collection: "A", Where: store.Eq{Path: "n", Value: store.V(6)}})
		if err != nil || plan.Index != "n" || plan.Returned != 71 {
			t.Errorf("%+v, %v", plan, err)
		}
		if n, err := s.Count(t.Context(), store.Query{Collection: "A"}); err != nil || n != 500 {
			t.Errorf("%d documents, %v", n, err)
		}
		if err := s.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: "A", Doc: marshal(t, "new", "u", 7)}}); err == nil {
			t.Error("a value that is taken is taken again")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, dir, Options{})
	if err := s.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: "A", Doc: marshal(t, "new", "k", []string{"a", "b", "c", "d"})}}); err != nil {
		t.Error(err)
	}
}

func TestAFileOfFormat2IsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: "A", Doc: marshal(t, "1", "n", 7)}}); err != nil {
		t.Fatal(err)
	}
	w := s.writer
	if err := w.alone(t.Context(), func() error {
		return w.conn.exec("DROP TABLE portico_recent; DROP TABLE portico_strings; PRAGMA user_version=2")
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	if err := s.Ensure(t.Context(), []store.Index{{Collection: "A", Name: "n", Keys: []store.Key{{Path: "n"}}}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: "A", Doc: marshal(t, "2", "n", 7)}}); err != nil {
		t.Fatal(err)
	}
	plan, err := s.Explain(t.Context(), store.Query{Collection: "A", Where: store.Eq{Path: "n", Value: store.V(7)}})
	if err != nil || plan.Index != "n" || plan.Returned != 2 {
		t.Errorf("%+v, %v", plan, err)
	}
}
