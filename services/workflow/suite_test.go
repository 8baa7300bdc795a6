package workflow_test

import (
	"testing"

	"reprotect.example/events/bus/bustest"
	"reprotect.example/services/workflow/workflowtest"
)

// Over NATS and the stand-in for Service Bus the suite runs in workflowtest itself.
func TestOverMemory(t *testing.T) { workflowtest.Run(t, bustest.Memory()) }
