package record

// SortAtMost bounds how many matches are sorted.
func (r *Repository) SortAtMost(n int) { r.sortMost = n }
