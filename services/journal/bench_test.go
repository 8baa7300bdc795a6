package journal

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"reprotect.example/events"
)

// BenchmarkKeep keeps facts of a thousand cases that move at once, from 64 goroutines a processor, as a service
// does that has many messages under way.
func BenchmarkKeep(b *testing.B) {
	s := open(b)
	for i := range 1000 {
		keep(b, s, story(fmt.Sprintf("bench-%d", i), 1)[:6]...)
		if i == 50 && testing.Short() {
			break
		}
	}
	var n atomic.Uint64
	b.SetParallelism(64)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			r := fact(events.TypeProgressed, fmt.Sprintf("bench-%d", i%1000), "", int(i)+10, i+10_000, events.Progressed{Percent: int(i % 100)})
			if err := s.Keep(context.Background(), r); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
