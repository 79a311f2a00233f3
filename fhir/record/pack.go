package record

import (
	_ "embed"
	"sync"

	"github.com/klauspost/compress/s2"
)

// packed is a body as it is stored. The subtype of BSON's binary tells how.
type packed struct {
	subtype byte
	data    []byte
}

// The subtypes.
const (
	subtypePlain = 0x00 // generic: the JSON itself
	subtypeS2    = 0x80 // user-defined: the JSON as one block of S2, Snappy's successor
	subtypeDict1 = 0x81 // the same with dictionary 1
)

// dictionary1 is what much of a resource repeats: names of elements and the
// systems and codes that are common, as compact JSON has them. What is stored
// refers to places in it, so it never changes: a better one gets a number and
// a subtype of its own.
//
//go:embed dictionary1.txt
var dictionary1 []byte

var dict1 = sync.OnceValue(func() *s2.Dict { return s2.MakeDict(dictionary1, nil) })

// minPacked is the size below which packing does not pay.
const minPacked = 128

// maxUnpacked is the most that a damaged document can make unpack allocate. It
// is far above what the edge lets in.
const maxUnpacked = 256 << 20

// packer packs bodies in memory of its own: the result is valid until the next one.
type packer struct{ room []byte }

// pack makes a body smaller: resources repeat themselves and each other, and
// usually take a third of the space. It costs about 2 µs for 1.2 kB, unpacking
// 1 µs, which is less than what reading and writing the difference takes.
func (p *packer) pack(body []byte) packed {
	if len(body) < minPacked {
		return packed{subtypePlain, body}
	}
	if most := s2.MaxEncodedLen(len(body)); cap(p.room) < most {
		p.room = make([]byte, most)
	}
	if data := dict1().Encode(p.room, body); len(data) < len(body)*7/8 {
		return packed{subtypeDict1, data}
	}
	return packed{subtypePlain, body}
}

// unpack gives the body; ok is false when p is damaged. A plain body shares its
// bytes.
func (p packed) unpack() (body []byte, ok bool) {
	switch p.subtype {
	case subtypePlain:
		return p.data, true
	case subtypeS2, subtypeDict1:
		if n, err := s2.DecodedLen(p.data); err != nil || n > maxUnpacked {
			return nil, false
		}
		var err error
		if p.subtype == subtypeS2 {
			body, err = s2.Decode(nil, p.data)
		} else {
			body, err = dict1().Decode(nil, p.data)
		}
		return body, err == nil
	default:
		return nil, false
	}
}
