//go:build unix

package sqlite

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkNet puts the edits of a large commit in order: those of a thousand documents.
func BenchmarkNet(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	var list []edit
	for rid := range 1000 {
		for range 70 {
			list = append(list, edit{row: row{fmt.Appendf(nil, "k%cword%04d\x00\x00\x05\x07%07d", 'a'+r.IntN(2), r.IntN(10+r.IntN(2)*3000), r.IntN(1e6)), int64(rid)}})
		}
	}
	measured(b, func() {
		for range b.N {
			if len(net(list)) == 0 {
				b.Fatal("nothing is left")
			}
		}
	})
}
