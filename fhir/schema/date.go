package schema

// The formats of R4 2.24.0.1. Years are 0001 to 9999, days are those of the
// Gregorian calendar, and a second of 60 is allowed for leap seconds.

// isDate checks YYYY, YYYY-MM or YYYY-MM-DD.
func isDate(b []byte) bool {
	switch len(b) {
	case 4:
		return year(b) > 0
	case 7:
		return year(b) > 0 && b[4] == '-' && between(b[5:], 1, 12)
	case 10:
		return isDay(b)
	}
	return false
}

// isDateTime checks a date, or a day with a time and a zone.
func isDateTime(b []byte) bool {
	if len(b) <= 10 {
		return isDate(b)
	}
	return isInstant(b)
}

// isInstant checks YYYY-MM-DDThh:mm:ss(.f)(Z|±hh:mm).
func isInstant(b []byte) bool {
	if len(b) < 20 || !isDay(b[:10]) || b[10] != 'T' {
		return false
	}
	if end := len(b) - 1; b[end] == 'Z' {
		return isTime(b[11:end])
	}
	zone := len(b) - 6
	return zone >= 19 && isTime(b[11:zone]) && isZone(b[zone:])
}

// isTime checks hh:mm:ss(.f).
func isTime(b []byte) bool {
	if len(b) < 8 || !between(b, 0, 23) || b[2] != ':' || !between(b[3:], 0, 59) || b[5] != ':' || !between(b[6:], 0, 60) {
		return false
	}
	if len(b) == 8 {
		return true
	}
	if b[8] != '.' || len(b) == 9 {
		return false
	}
	for _, c := range b[9:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// isZone checks ±hh:mm up to 14:00.
func isZone(b []byte) bool {
	if b[0] != '+' && b[0] != '-' || !between(b[1:], 0, 14) || b[3] != ':' || !between(b[4:], 0, 59) {
		return false
	}
	return two(b[1:]) < 14 || two(b[4:]) == 0
}

// isDay checks YYYY-MM-DD.
func isDay(b []byte) bool {
	y := year(b)
	if y <= 0 || b[4] != '-' || !between(b[5:], 1, 12) || b[7] != '-' {
		return false
	}
	return between(b[8:], 1, daysIn(y, two(b[5:])))
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// year reads four digits; negative when they are none.
func year(b []byte) int {
	high, low := two(b), two(b[2:])
	if high < 0 || low < 0 {
		return -1
	}
	return high*100 + low
}

// two reads two digits; negative when they are none.
func two(b []byte) int {
	if b[0] < '0' || b[0] > '9' || b[1] < '0' || b[1] > '9' {
		return -1
	}
	return int(b[0]-'0')*10 + int(b[1]-'0')
}

func between(b []byte, low, high int) bool {
	n := two(b)
	return n >= low && n <= high
}
