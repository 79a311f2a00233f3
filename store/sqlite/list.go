package sqlite

import "encoding/binary"

// A list that is kept apart from its document is stored with its length as a varint, and then
// the strings, each as what it does not share with the one before (see appendTurn). Since format 3
// there is a zero in front, and a string is a varint that ends in a 1 bit, its number above
// that (see numbered), or one that ends in 0: then bit 1 says whether another varint with the bytes to
// drop follows, and above it are the bytes that follow; without, as many are dropped as follow.

// elements are those of a list that was read. They are used again and again, for the
// sake of their memory.
type elements struct {
	list  [][]byte
	bytes []byte // of those without a number
}

// read reads the list of a document with a statement, and copies what it keeps.
func (e *elements) read(s *stmt, rid int64, names *numbered) error {
	defer s.reset()
	if err := s.bindInt(0, rid); err != nil {
		return err
	}
	more, err := s.step()
	if err != nil {
		return err
	}
	if !more {
		return errForm()
	}
	return e.decode(s.blob(0), names.all())
}

// decode takes the elements out of a list.
func (e *elements) decode(data []byte, names [][]byte) error {
	e.list, e.bytes = e.list[:0], e.bytes[:0]
	numbered := len(data) > 0 && data[0] == 0
	if numbered {
		data = data[1:]
	}
	count, n := binary.Uvarint(data)
	if n <= 0 || count > uint64(len(data)) {
		return errForm()
	}
	data = data[n:]
	var last []byte
	for range count {
		shared, follow, n := 0, 0, 0
		if numbered {
			v, size := binary.Uvarint(data)
			if size > 0 && v&1 == 1 {
				if v>>1 >= uint64(len(names)) {
					return errForm()
				}
				last, data = names[v>>1], data[size:]
				e.list = append(e.list, last)
				continue
			}
			shared, follow, n = readLiteral(data, len(last))
		} else {
			shared, follow, n = readTurn(data, len(last))
		}
		if n == 0 {
			return errForm()
		}
		data = data[n:]
		// bytes may move; what was read before stays as it was.
		start := len(e.bytes)
		e.bytes = append(append(e.bytes, last[:shared]...), data[:follow]...)
		last = e.bytes[start:len(e.bytes):len(e.bytes)]
		e.list = append(e.list, last)
		data = data[follow:]
	}
	return nil
}

// appendLiteral writes how many bytes are dropped and how many follow.
func appendLiteral(dst []byte, drop, follow int) []byte {
	if drop == follow {
		return binary.AppendUvarint(dst, uint64(follow)<<2)
	}
	dst = binary.AppendUvarint(dst, uint64(follow)<<2|2)
	return binary.AppendUvarint(dst, uint64(drop))
}

// readLiteral reads what appendLiteral wrote, of so many bytes; n is 0 when it is damaged.
func readLiteral(data []byte, length int) (shared, follow, n int) {
	v, a := binary.Uvarint(data)
	if a <= 0 || v&1 == 1 {
		return 0, 0, 0
	}
	return turn(v>>2, v&2 != 0, data, a, length)
}
