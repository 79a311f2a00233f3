package record

import "github.com/klauspost/compress/s2"

// packed is a body as it is stored. The subtype of BSON's binary tells how.
type packed struct {
	subtype byte
	data    []byte
}

// The subtypes.
const (
	subtypePlain = 0x00 // generic: the JSON itself
	subtypeS2    = 0x80 // user-defined: the JSON as one block of S2, Snappy's successor
)

// minPacked is the size below which packing does not pay.
const minPacked = 256

// maxUnpacked is the most that a damaged document can make unpack allocate. It
// is far above what the edge lets in.
const maxUnpacked = 256 << 20

// pack makes a body smaller: resources repeat themselves, and usually take less
// than half the space. It costs about 2 µs for 2 kB, unpacking 1 µs, which is
// less than what reading and writing the difference takes.
func pack(body []byte) packed {
	if len(body) >= minPacked {
		if data := s2.Encode(nil, body); len(data) < len(body)*7/8 {
			return packed{subtypeS2, data}
		}
	}
	return packed{subtypePlain, body}
}

// unpack gives the body; ok is false when p is damaged. A plain body shares its
// bytes.
func (p packed) unpack() (body []byte, ok bool) {
	switch p.subtype {
	case subtypePlain:
		return p.data, true
	case subtypeS2:
		if n, err := s2.DecodedLen(p.data); err != nil || n > maxUnpacked {
			return nil, false
		}
		body, err := s2.Decode(nil, p.data)
		return body, err == nil
	default:
		return nil, false
	}
}
