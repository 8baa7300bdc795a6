package checks

import "slices"

// afterFailover are the checks of what is only so once a machine runs in Azure: before, its VM is switched on
// on-premises. Everything else can be made ready before the disaster.
var afterFailover = []string{"machine.failed-over", "machine.powered-off", "machine.failover-committed"}

func (s Subject) notYet(c Check) bool {
	return s.Ahead && s.Item.It != nil && s.Item.It.AtHome() && slices.Contains(afterFailover, c.Code)
}
