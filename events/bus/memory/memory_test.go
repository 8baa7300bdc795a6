package memory_test

import (
	"testing"

	"reprotect.example/events/bus/bustest"
)

func TestContract(t *testing.T) { bustest.Run(t, bustest.Memory()) }
