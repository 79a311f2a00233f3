package fhir

import "strings"

// Nearest returns the one of known that name is most likely a misspelling of,
// or "" when none is close: case aside, two letters or at most a third of them
// differ, in short names one.
func Nearest(name string, known []string) string {
	best, distance := "", max(len(name)/3+1, 3)
	if len(name) < 4 {
		distance = 2
	}
	lower := strings.ToLower(name)
	for _, k := range known {
		if abs(len(k)-len(name)) >= distance && !strings.EqualFold(k, name) {
			continue
		}
		if d := editDistance(lower, strings.ToLower(k)); d < distance || (d == distance && best != "" && k < best) {
			best, distance = k, d
		}
	}
	return best
}

func abs(n int) int { return max(n, -n) }

// editDistance is the number of bytes to insert, delete or replace.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
