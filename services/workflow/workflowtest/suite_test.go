package workflowtest

import (
	"testing"

	"reprotect.example/events/bus/jetstream/natstest"
	"reprotect.example/events/bus/servicebus/sbharness"
)

func TestOverNATS(t *testing.T) {
	t.Parallel()
	Run(t, natstest.Harness())
}

func TestOverServiceBus(t *testing.T) { Run(t, sbharness.Harness()) }
