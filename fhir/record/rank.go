package record

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

// A rank is where a resource stands when it is sorted by its clinical date: seven
// bytes that order as the dates do, those without a date first, and the rest about by
// the id, backward, so that few have the same rank and the _id need not stand in every
// index entry to tell them apart.
//
//	with a date     1, milliseconds (49 bits), hash of the id (6 bits)
//	without a date  0, five characters of the id (35 bits, inverted), hash of the id (20 bits)

const (
	rankBits   = 56
	rankHash   = 6       // bits of the hash of a dated resource
	rankOffset = 1 << 46 // milliseconds: before the year 1, so that none is negative
	rankDated  = 1 << (rankBits - 1)

	rankChars     = 5 // of the id of one without a date, seven bits each
	rankOtherHash = rankBits - 1 - 7*rankChars
)

// rank gives the rank of the resource with that id.
func rank(date *time.Time, id string) []byte {
	sum := sha256.Sum256([]byte(id))
	hash := binary.BigEndian.Uint64(sum[:])
	var n uint64
	if date != nil {
		n = ranked(*date) | hash>>(64-rankHash)
	} else {
		for i := range rankChars {
			n <<= 7
			if i < len(id) {
				n |= uint64(id[i] & 0x7f)
			}
		}
		n = ^n<<rankOtherHash&(rankDated-1) | hash>>(64-rankOtherHash)
	}
	return rankOf(n)
}

// ranked gives the first rank of a date in whole milliseconds.
func ranked(date time.Time) uint64 {
	return rankDated | uint64(date.UnixMilli()+rankOffset)<<rankHash
}

// firstDated is the first rank of a resource with a date; those without stand below it.
func firstDated() store.Value {
	return store.V(bson.Binary{Data: rankOf(rankDated)})
}

func rankOf(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n)[8-rankBits/8:] }
