package lab

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"reprotect.example/events/bus/servicebus/sbpeer"
)

// busActions are what can go wrong with Service Bus.
func busActions(peer *sbpeer.Peer) []action {
	actions := []action{
		{Action{"cut-bus", "", "cut every connection to the bus"}, func([]string) error {
			peer.DropConnections()
			return nil
		}},
		{Action{"refuse-bus", "on|off", "take no more connections to the bus, or take them again"}, func(args []string) error {
			switch args[0] {
			case "on", "off":
				peer.RefuseConnections(args[0] == "on")
				return nil
			}
			return fmt.Errorf("refuse-bus: %q is neither on nor off", args[0])
		}},
		{Action{"busy-bus", "DURATION", "refuse everything on the bus for so long, because the server is busy"}, func(args []string) error {
			d, err := time.ParseDuration(args[0])
			if err != nil || d < 0 {
				return fmt.Errorf("busy-bus: %q is not a duration such as 10s", args[0])
			}
			peer.BusyFor(d)
			return nil
		}},
		{Action{"lose-locks", "", "let every lock on a message run out now"}, func([]string) error {
			peer.ExpireLocks()
			return nil
		}},
		{Action{"lose-answers", "NUMBER", "store so many of the next messages, and cut the connection instead of confirming them"}, func(args []string) error {
			n, err := strconv.Atoi(args[0])
			if err != nil || n < 0 {
				return fmt.Errorf("lose-answers: %q is not a number of messages", args[0])
			}
			peer.DropBeforeDisposition(n)
			return nil
		}},
	}
	for i, a := range actions {
		actions[i].do = func(args []string) error {
			if want := len(strings.Fields(a.Args)); len(args) != want {
				return fmt.Errorf("%s wants %d arguments, got %d", a.Name, want, len(args))
			}
			return a.do(args)
		}
	}
	return actions
}
