package console

import (
	"fmt"
	"strings"
	"time"
)

// graph is how far a case was over time, and at what rate its data flowed, as a picture of fixed size.
type graph struct {
	Line        string // points of the percent
	Area        string // points of the rate
	Width       int
	Height      int
	From, Until time.Time
	Percent     int   // now
	Rate        int64 // now, bytes a second
	MostRate    int64
}

// Shown says whether there is something to draw.
func (g graph) Shown() bool { return g.Line != "" }

const (
	graphWidth  = 640
	graphHeight = 120
	graphPoints = 160
)

// draw makes the picture of a story of progress. Of a long one every so many points are left out, never the last.
func draw(progress []seen) graph {
	g := graph{Width: graphWidth, Height: graphHeight}
	if len(progress) < 2 {
		return g
	}
	g.From, g.Until = progress[0].At, progress[len(progress)-1].At
	span := g.Until.Sub(g.From)
	if span <= 0 {
		return g
	}
	rates := make([]int64, len(progress))
	for i, p := range progress {
		for _, m := range p.Machines {
			rates[i] += m.Rate
		}
		g.MostRate = max(g.MostRate, rates[i])
	}
	var line, area strings.Builder
	step := max(len(progress)/graphPoints, 1)
	for i, p := range progress {
		if i%step != 0 && i != len(progress)-1 {
			continue
		}
		x := float64(graphWidth) * float64(p.At.Sub(g.From)) / float64(span)
		fmt.Fprintf(&line, "%.1f,%.1f ", x, float64(graphHeight)*(1-float64(p.Percent)/100))
		if g.MostRate > 0 {
			fmt.Fprintf(&area, "%.1f,%.1f ", x, float64(graphHeight)*(1-0.9*float64(rates[i])/float64(g.MostRate)))
		}
	}
	last := progress[len(progress)-1]
	g.Line, g.Percent, g.Rate = strings.TrimSpace(line.String()), last.Percent, rates[len(rates)-1]
	if g.MostRate > 0 {
		g.Area = fmt.Sprintf("0,%d %s %d,%d", graphHeight, strings.TrimSpace(area.String()), graphWidth, graphHeight)
	}
	return g
}
