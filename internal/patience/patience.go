// Package patience is how long tests wait.
//
// A test waits for what has to happen, and never for a time in which it should have
// happened: a machine may be slow, and have much else to do. The only time is Limit, which
// none but a fault exceeds.
//
// It serves tests only, and imports none of Portico's packages.
package patience

import "time"

// Limit bounds each wait for what has to happen.
const Limit = 5 * time.Minute

// Until asks again and again, until done reports true, which is asked at least once. It
// reports false when Limit has passed before that.
func Until(done func() bool) bool {
	for end := time.Now().Add(Limit); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
