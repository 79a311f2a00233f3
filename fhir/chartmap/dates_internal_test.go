package chartmap

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestMillisecondsAreWrittenAsTheLayoutSays(t *testing.T) {
	t.Parallel()
	low, high := years()
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMilli(rapid.Int64Range(low.UnixMilli(), high.UnixMilli()).Draw(t, "ms"))
		at = at.In(time.FixedZone("", 60*rapid.IntRange(-14*60, 14*60).Draw(t, "minutes")))
		want := at.Format("x2006-01-02T15:04:05.000Z07:00")
		if got := string(appendMillis([]byte("x"), at)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}
