package checks

import (
	"slices"
	"strings"

	"reprotect.example/services/observed"
)

// afterFailover are the checks of what is only so once a machine runs in Azure: before, its VM is switched on
// on-premises. Everything else can be made ready before the disaster.
var afterFailover = []string{"machine.failed-over", "machine.powered-off"}

func (s Subject) notYet(c Check) bool {
	return s.Ahead && s.Item.It != nil && AtHome(*s.Item.It) && slices.Contains(afterFailover, c.Code)
}

// AtHome says whether a machine runs on-premises and is neither on its way to Azure nor back: it was not failed
// over yet, or has come home.
func AtHome(i observed.Item) bool {
	failedOver := strings.HasPrefix(i.State, "PlannedFailover") || strings.HasPrefix(i.State, "UnplannedFailover")
	return strings.EqualFold(i.Location, "Primary") && !i.Busy() && !i.Migrated() && failedOver == i.ReversedOnce()
}
