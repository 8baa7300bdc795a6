package main

import "testing"

// TestPipelines lets a few cases through both sides, so that the figures can be taken at any commit.
func TestPipelines(t *testing.T) {
	for name, run := range map[string]pipeline{"bare": barePipeline, "product": productPipeline} {
		t.Run(name, func(t *testing.T) {
			s, err := onServer(t.Context(), "default", 16, run)
			if err != nil {
				t.Fatal(err)
			}
			if s.rate <= 0 || s.bytes <= 0 || len(s.latencies) == 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}
