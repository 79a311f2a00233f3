package record

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"time"
)

// idEncoding keeps the order of what it encodes and leaves out letters that are
// taken for others when read aloud.
var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID makes a logical id: 36 characters of R4's id grammar, the time in
// milliseconds and behind it 128 random bits. New ids sort behind old ones, which
// keeps inserts at one end of an index; the random part makes them unguessable.
func NewID() string {
	var b [22]byte
	binary.BigEndian.PutUint64(b[:8], uint64(time.Now().UnixMilli())<<16)
	_, _ = rand.Read(b[6:]) // never fails
	return idEncoding.EncodeToString(b[:])
}
