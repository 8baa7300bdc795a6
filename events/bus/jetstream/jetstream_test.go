package jetstream_test

import (
	"testing"

	"reprotect.example/events/bus/bustest"
	"reprotect.example/events/bus/jetstream/natstest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	bustest.Run(t, natstest.Harness())
}
