package main

import (
	"context"
	"testing"
)

func BenchmarkProduct(b *testing.B) {
	for b.Loop() {
		s, err := onServer(context.Background(), "default", 2000, productPipeline)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(s.rate, "cases/s")
	}
}
