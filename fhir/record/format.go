package record

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/portico-fhir/portico/store"
)

// format is the number of the layout that doc.go describes.
const format = 4

const (
	formatCollection = "portico_formats"
	formatID         = "records"
	fieldFormat      = "format"
)

// CheckFormat makes sure that the records in st are in the layout that this
// package reads and writes, and marks a store that has no mark. Call it once
// before a Repository is used.
func CheckFormat(ctx context.Context, st store.Store) error {
	// Twice at most: another process may mark the store between the two.
	for range 2 {
		found, err := readFormat(ctx, st)
		if err != nil {
			return err
		}
		if found == format {
			return nil
		}
		switch {
		case found > format:
			return newer(found)
		case found != 0:
			return fmt.Errorf("the records in this store have layout %d, this version of Portico works with %d: stop the version that wrote them and run portico reindex", found, format)
		}
		doc := bsoncore.NewDocumentBuilder().AppendString(fieldID, formatID).AppendInt64(fieldFormat, format).Build()
		err = st.Apply(ctx, []store.Op{{Kind: store.Insert, Collection: formatCollection, Doc: store.Doc(doc)}})
		if err == nil {
			return nil
		}
		if !errors.Is(err, store.ErrExists) {
			return fmt.Errorf("record: mark the layout: %w", err)
		}
	}
	return fmt.Errorf("record: %w: the mark of the layout is there and not there", store.ErrCorrupt)
}

func newer(found int64) error {
	return fmt.Errorf("the records in this store have layout %d, this version of Portico works with %d: use the version that wrote them", found, format)
}

// readFormat gives the number in the store, 0 when there is none.
func readFormat(ctx context.Context, st store.Store) (int64, error) {
	q := store.Query{Collection: formatCollection, Where: store.Eq{Path: fieldID, Value: store.String(formatID)}, Limit: 1}
	for doc, err := range st.Find(ctx, q) {
		if err != nil {
			return 0, fmt.Errorf("record: read the layout: %w", err)
		}
		n, ok := doc.Lookup(fieldFormat).AsInt64OK()
		if !ok || n < 1 {
			return 0, fmt.Errorf("record: %w: the mark of the layout", store.ErrCorrupt)
		}
		return n, nil
	}
	return 0, nil
}
