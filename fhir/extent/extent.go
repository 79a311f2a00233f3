package extent

// Space gives the position of the first byte from pos on that is no white space; the
// end of the text where there is none.
func Space(text []byte, pos int) int {
	for pos < len(text) && (text[pos] == ' ' || text[pos] == '\n' || text[pos] == '\t' || text[pos] == '\r') {
		pos++
	}
	return pos
}

// End gives the position behind the value that begins at pos; pos where none does, or
// where it does not end.
func End(text []byte, pos int) int {
	if pos >= len(text) {
		return pos
	}
	switch text[pos] {
	case '"':
		return quoted(text, pos)
	case '{', '[':
		return nested(text, pos)
	}
	end := pos
	for end < len(text) {
		switch text[end] {
		case ' ', '\n', '\t', '\r', ',', ':', '}', ']':
			return end
		}
		end++
	}
	return end
}

// quoted is End of a string. Most are short: a loop beats bytes.IndexByte.
func quoted(text []byte, pos int) int {
	for i := pos + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return pos
}

// nested is End of an object or array.
func nested(text []byte, pos int) int {
	depth := 0
	for i := pos; i < len(text); i++ {
		switch text[i] {
		case '"':
			end := quoted(text, i)
			if end == i {
				return pos
			}
			i = end - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return pos
}
