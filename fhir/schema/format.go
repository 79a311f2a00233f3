package schema

import "bytes"

// isCode: no white space but single spaces inside.
func isCode(text []byte) bool {
	space := true // before the first character there must be none
	for _, c := range text {
		switch {
		case c == ' ' && space, c < ' ':
			return false
		default:
			space = c == ' '
		}
	}
	return !space
}

func isID(text []byte) bool {
	if len(text) > 64 {
		return false
	}
	for _, c := range text {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.':
		default:
			return false
		}
	}
	return len(text) > 0
}

func isURI(text []byte) bool {
	for _, c := range text {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

func isOID(text []byte) bool {
	rest, ok := bytes.CutPrefix(text, []byte("urn:oid:"))
	if !ok || len(rest) < 3 || rest[0] < '0' || rest[0] > '2' || rest[1] != '.' {
		return false
	}
	for part := range bytes.SplitSeq(rest[2:], []byte(".")) {
		if len(part) == 0 || part[0] == '0' && len(part) > 1 {
			return false
		}
		for _, c := range part {
			if c < '0' || c > '9' {
				return false
			}
		}
	}
	return true
}

func isUUID(text []byte) bool {
	rest, ok := bytes.CutPrefix(text, []byte("urn:uuid:"))
	if !ok || len(rest) != 36 {
		return false
	}
	for i, c := range rest {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f':
		default:
			return false
		}
	}
	return true
}

// isBase64 checks R4's base64Binary: white space may stand between characters,
// and padding is complete.
func isBase64(text []byte) bool {
	n, padding := 0, 0
	for _, c := range text {
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			continue
		case c == '=':
			padding++
		case padding > 0:
			return false
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '+', c == '/':
		default:
			return false
		}
		n++
	}
	return n > 0 && n%4 == 0 && padding <= 2
}
