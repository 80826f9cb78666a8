package trace

import (
	"context"
	"crypto/rand"
	"testing"
	"time"
)

// BenchmarkStart is a span with two attributes and its end: off as in every run without --trace, and on.
func BenchmarkStart(b *testing.B) {
	node := SpanID{1}
	work := func(ctx context.Context) {
		_, span := Start(ctx, SpanAttempt, Name("guard", node), Int("attempt", 1))
		span.End(nil)
	}
	b.Run("off", func(b *testing.B) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		for b.Loop() {
			work(ctx)
		}
	})
	b.Run("on", func(b *testing.B) {
		for i := 0; b.Loop(); {
			r := NewRecorder(time.Now, rand.Reader, 1)
			ctx, _ := Begin(With(context.Background(), r), SpanMessage)
			for range MaxSpans - 1 {
				if i++; !b.Loop() {
					return
				}
				work(ctx)
			}
		}
	})
}
