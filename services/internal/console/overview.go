package console

import (
	"net/http"
	"slices"

	"reprotect.example/services/status"
)

// overviewPage is what needs a person, what goes on, and whether the parts work.
type overviewPage struct {
	status.View
	Bar   []segment
	Total int
	Idle  bool // there are no cases at all
}

// segment is a part of a bar, in percent of its length.
type segment struct {
	status.Stage
	From, Length float64
	Class        string
}

// stageClass is how a stage is coloured.
var stageClass = map[string]string{
	status.StageChecking: "early", status.StagePlacing: "early", status.StageAgent: "wait", status.StageQueued: "wait",
	status.StageStarting: "run", status.StageReplicating: "run", status.StageProtected: "good", status.StageReturned: "good",
	status.StageFailingBack: "run", status.StageHome: "wait", status.StageCommitted: "good", status.StageAgain: "good",
	status.StageRehearsed: "good", status.StageFailed: "bad", status.StageRejected: "bad", status.StageCancelled: "off",
}

func (c *Console) overview(_ *http.Request, d *sheet, s *snapshot) error {
	p := overviewPage{View: s.status(d.Lang, d.Now), Idle: len(s.Cases) == 0}
	p.Bar, p.Total = bar(p.Stages)
	slices.Reverse(p.Requests)
	d.It = p
	return nil
}

// bar lays stages side by side.
func bar(stages []status.Stage) (segments []segment, total int) {
	for _, s := range stages {
		total += s.Machines
	}
	from := 0.0
	for _, s := range stages {
		if s.Machines == 0 {
			continue
		}
		length := 100 * float64(s.Machines) / float64(total)
		segments = append(segments, segment{s, from, length, stageClass[s.Stage]})
		from += length
	}
	return segments, total
}
