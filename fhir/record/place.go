package record

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

// A place is where a resource stands when it is sorted by its clinical date: eight
// bytes that order as the dates do, those without a date first, and the rest by
// chance, so that few have the same place and the _id need not stand in
// every index entry to tell them apart.
//
//	with a date     1, milliseconds (49 bits), hash of the id (14 bits)
//	without a date  0, hash of the id (63 bits)

const (
	placeHash   = 14      // bits of the hash of a dated resource
	placeOffset = 1 << 46 // milliseconds: before the year 1, so that none is negative
	placeDated  = 1 << 63
)

// place gives the place of the resource with that id.
func place(date *time.Time, id string) []byte {
	sum := sha256.Sum256([]byte(id))
	n := binary.BigEndian.Uint64(sum[:])
	if date == nil {
		n &^= placeDated
	} else {
		n = placed(*date) | n>>(64-placeHash)
	}
	return binary.BigEndian.AppendUint64(nil, n)
}

// placed gives the first place of a date in whole milliseconds.
func placed(date time.Time) uint64 {
	return placeDated | uint64(date.UnixMilli()+placeOffset)<<placeHash
}

// placeValue is a place as it is stored.
func placeValue(p []byte) store.Value { return store.V(bson.Binary{Data: p}) }
