package telemetry

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/services/internal/build"
)

// told are the lines of a scrape that begin with one of these.
func told(m *Metrics, begins ...string) (lines []string) {
	answer := httptest.NewRecorder()
	m.handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(answer.Body.String()) {
		for _, b := range begins {
			if strings.HasPrefix(line, b) {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
	}
	return lines
}

func TestStandings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		since := time.Now().Add(-time.Hour)
		answer := map[string]Standing{"tokyo": {
			Cases: map[string]int{"waiting": 2, "replicating": 1}, Waits: map[string]Wait{"agent": {2, since}}, Alarms: map[string]int{"guard.powered-on": 1},
		}}
		var serves bool
		var err error
		reads := 0
		m := NewMetrics()
		m.Standings(func(context.Context) (map[string]Standing, bool, error) { reads++; return answer, serves, err })
		names := []string{"reprotect_cases", "reprotect_waiting", "reprotect_oldest", "reprotect_alarms"}
		sees := func(when string, want ...string) {
			t.Helper()
			if diff := cmp.Diff(want, told(m, names...)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
		}
		later := func(d time.Duration) { <-time.After(d) }

		sees("standing by")
		later(standingAge)
		serves = true
		good := []string{
			`reprotect_alarms{code="guard.powered-on",site="tokyo"} 1`,
			`reprotect_cases{site="tokyo",state="replicating"} 1`, `reprotect_cases{site="tokyo",state="waiting"} 2`, `reprotect_cases_known 1`,
			`reprotect_oldest_wait_seconds{for="agent",site="tokyo"} 3615`, `reprotect_waiting_cases{for="agent",site="tokyo"} 2`,
		}
		sees("serving", good...)
		later(standingAge - time.Second)
		good[4] = `reprotect_oldest_wait_seconds{for="agent",site="tokyo"} 3629`
		sees("soon after", good...)
		if reads != 2 {
			t.Errorf("the cases were read %d times", reads)
		}
		later(time.Second)
		err = errors.New("the file is locked")
		sees("unread", `reprotect_cases_known 0`) // never zero cases
	})
}

func TestComponentsAndBuild(t *testing.T) {
	m, h := NewMetrics(), NewHealth("bus")
	m.Health(h)
	m.Build(build.Info{Version: "1.2.3", Commit: "abc", Go: "go1"})
	h.Remark("executor", "stands by")
	h.Set("journal", errors.New("no room"))
	want := []string{
		`reprotect_build_info{commit="abc",go="go1",version="1.2.3"} 1`,
		`reprotect_component_works{component="bus"} 0`, `reprotect_component_works{component="executor"} 1`, `reprotect_component_works{component="journal"} 0`,
	}
	if diff := cmp.Diff(want, told(m, "reprotect_build_info{", "reprotect_component_works{")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
