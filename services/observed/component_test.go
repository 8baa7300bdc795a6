package observed

import (
	"strings"
	"testing"
	"time"
)

// TestSiteRecoveryComponents holds how components are judged against the findings, by their ids.
func TestSiteRecoveryComponents(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		change func(*Component)
		want   Condition
		says   string
	}{
		{"sound", func(*Component) {}, Sound, ""},
		{"F9 critical", func(c *Component) {
			c.Health, c.Problems = "Critical", []Problem{{Code: "17", Message: "The disk is full.", Causes: "Logs.\n", Action: "Delete them."}}
		}, Broken, "its health is critical: The disk is full (17), cause: Logs, Azure recommends: Delete them"},
		{"F9 error, a word of 2017", func(c *Component) { c.Health = "Error" }, Broken, "its health is error"},
		{"F9 warning", func(c *Component) { c.Health = "Warning" }, Doubtful, "its health is warning"},
		{"healthy", func(c *Component) { c.Health = "Healthy" }, Sound, ""},
		{"for information", func(c *Component) { c.Health = "Info" }, Sound, ""},
		{"health not said", func(c *Component) { c.Health = "" }, Unclear, "does not say its health"},
		{"health of another word", func(c *Component) { c.Health = "None" }, Unclear, "gives its health as None"},
		{"heartbeat at the limit", func(c *Component) { c.Heartbeat = now.Add(-RecentHeartbeat) }, Sound, ""},
		{"heartbeat late", func(c *Component) { c.Heartbeat = now.Add(-RecentHeartbeat - time.Second) }, Broken, "the last heartbeat was 2026-11-27 11:44 UTC, 15m0s ago"},
		{"no heartbeat", func(c *Component) { c.Heartbeat = time.Time{} }, Unclear, "gives no heartbeat"},
		{"F9b service stopped", func(c *Component) { c.Service = "Stopped" }, Broken, "its service is stopped"},
		{"F9b service runs", func(c *Component) { c.Service = "Running" }, Sound, ""},
		{"F9b service started", func(c *Component) { c.Service = "Started" }, Sound, ""},
		{"F9b service in another state", func(c *Component) { c.Service = "Paused" }, Unclear, "the state of its service is Paused"},
		{"F9b certificate expired", func(c *Component) { c.Expires = []Expiry{{"certificate", now}} }, Broken, "its certificate expired at 2026-11-27 12:00 UTC"},
		{"F9b certificate expires soon", func(c *Component) { c.Expires = []Expiry{{"certificate", now.Add(30 * 24 * time.Hour)}} }, Doubtful, "its certificate expires at 2026-12-27"},
		{"F9b certificate good", func(c *Component) { c.Expires = []Expiry{{"certificate", now.Add(30*24*time.Hour + time.Second)}} }, Sound, ""},
		{"F9b agent expired", func(c *Component) {
			c.Expires = []Expiry{{"certificate", now.AddDate(2, 0, 0)}, {"agent", now.AddDate(0, 0, -1)}}
		}, Broken, "its agent expired at"},
		{"without a health of its own", func(c *Component) { c.Unrated, c.Health = true, "" }, Sound, ""},
		{"without a health of its own, problems", func(c *Component) {
			c.Unrated, c.Problems = true, []Problem{{Message: "Tools are missing."}}
		}, Doubtful, "Site Recovery says of it: Tools are missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := Component{Kind: "process server", Name: "PS", Heartbeat: now, Health: "Normal"}
			tt.change(&c)
			got, said := Sound, ""
			for _, complaint := range c.Complaints(now) {
				got, said = max(got, complaint.Condition), said+complaint.What
			}
			if got != tt.want || !strings.Contains(said, tt.says) || (said == "") != (tt.want == Sound) {
				t.Errorf("condition %d, want %d: %q does not say %q", got, tt.want, said, tt.says)
			}
		})
	}
	a := Appliance{Name: "A", ID: "1", Heartbeat: now, Health: "Normal", Parts: []Component{{Kind: "proxy of appliance", Name: "A", Heartbeat: now, Health: "Critical"}}}
	if parts := a.Components(); len(parts) != 2 || parts[0].Kind != RoleAppliance || len(parts[0].Complaints(now)) != 0 || len(parts[1].Complaints(now)) != 1 {
		t.Errorf("components of an appliance: %+v", parts)
	}
}

// Words quote Azure, the gravest first, each once, and never without end.
func TestSiteRecoveryWords(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long ", 200)
	for _, tt := range []struct {
		name     string
		problems []Problem
		want     string
	}{
		{"none", nil, ""},
		{"empty", []Problem{{}}, ""},
		{"F5 of many lines", []Problem{{Code: "9", Message: "\n  Ensure the URLs\n\n are accessible. \n"}}, "Ensure the URLs are accessible (9)"},
		{"a code alone", []Problem{{Code: "9", Causes: "c."}}, "9, cause: c"},
		{"no code", []Problem{{Message: "m", Action: "a"}}, "m, Azure recommends: a"},
		{"twice", []Problem{{Message: "m"}, {Message: "m"}}, "m"},
		{"548004, for information", []Problem{{Message: "powered up", Severity: "Info"}, {Message: "x", Severity: "Information"}}, ""},
		{"the gravest first", []Problem{{Message: "w", Severity: "Warning"}, {Message: "e", Severity: "Error"}, {Message: "n"}}, "e; n; w"},
		{"many", []Problem{{Code: "1"}, {Code: "2"}, {Code: "3"}, {Code: "4"}, {Message: "five"}}, "1; 2; 3; and 4, five"},
		{"long", []Problem{{Message: long}}, long[:mostWords-1] + "…"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Words(tt.problems); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
