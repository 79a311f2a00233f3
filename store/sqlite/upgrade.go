package sqlite

import (
	"bytes"
	"fmt"
)

// upgrade brings a file of an older format to the present one, within the transaction under way.
func (w *writer) upgrade(from int64) error {
	if from < 2 {
		if err := w.upgradeRows(); err != nil {
			return err
		}
	}
	if from < 3 {
		if err := w.conn.exec(createRecent + ";" + createStrings); err != nil {
			return err
		}
	}
	// Until then the counters of indexes held the edits, too.
	if err := w.conn.exec("DELETE FROM portico_counts WHERE iid>0"); err != nil {
		return err
	}
	return w.conn.exec(fmt.Sprintf("PRAGMA user_version=%d", format))
}

// upgradeRows is for format 1, in which an index entry was a row.
func (w *writer) upgradeRows() error {
	cat, err := loadCatalog(w.conn)
	if err != nil {
		return err
	}
	if err := w.conn.exec(createCounts); err != nil {
		return err
	}
	for _, coll := range cat.collections {
		if err := w.conn.exec(coll.createLists()); err != nil {
			return err
		}
		for _, ix := range coll.indexes {
			if err := w.gatherRows(ix); err != nil {
				return fmt.Errorf("sqlite: index %s of %s: %w", ix.def.Name, coll.name, err)
			}
		}
	}
	return nil
}

// gatherRows puts the entries of an index into runs.
func (w *writer) gatherRows(ix *index) error {
	if err := w.conn.exec(fmt.Sprintf("ALTER TABLE i%d RENAME TO portico_rows", ix.iid)); err != nil {
		return err
	}
	if err := w.conn.exec(ix.create()); err != nil {
		return err
	}
	var list []edit
	err := w.conn.each("SELECT key, rid FROM portico_rows ORDER BY key, rid", func(s *stmt) error {
		list = append(list, edit{row: row{bytes.Clone(s.blob(0)), s.int(1)}})
		if len(list) < buildEntries {
			return nil
		}
		err := w.writeRuns(ix, list)
		clear(list)
		list = list[:0]
		return err
	})
	if err == nil {
		err = w.writeRuns(ix, list)
	}
	if err != nil {
		return err
	}
	w.conn.forget()
	return w.conn.exec("DROP TABLE portico_rows")
}
