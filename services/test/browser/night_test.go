package browser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
)

// The picture of the README: a night in which some things go wrong. It is made where a folder for pictures is named.
func TestPictureOfANight(t *testing.T) {
	if *pictures == "" {
		t.Skip("no folder for pictures is named: scripts/pictures does")
	}
	w := serve(t, 24, 240)
	var machines []map[string]string
	for _, name := range w.ready.Machines {
		machines = append(machines, map[string]string{"name": name})
	}
	first, rest := machines[:4], machines[4:]
	b := openTab(t, "en")
	b.open(w.address + "/login?back=/")
	b.run("sign in", typed("name", "Ann"), typed("secret", w.secret+"\r"))
	b.await("all parts work", `document.body.innerText.includes("validator: works")`)
	w.asks(first)
	b.await("the first are protected", `document.querySelector(".legend")?.innerText.includes("protected 4")`)
	w.do("fail-next", w.ready.Machines[6], "95226")
	w.do("fail-next", w.ready.Machines[8], "8061")
	w.do("add-snapshot", "MT-LINUX-01", "nightly-backup")
	w.asks(rest)
	w.do("power-on", w.ready.Machines[1])
	b.await("something waits for a person", `document.querySelectorAll(".need").length >= 3 && document.querySelector(".need.alarm") !== null && document.querySelector(".need.operator") !== null && document.querySelector(".bar .run") !== null`)
	for _, width := range widths {
		for _, scheme := range []string{"light", "dark"} {
			b.window(width, heights[width], scheme)
			b.keep(fmt.Sprintf("night-%d-%s.png", width, scheme))
		}
	}
	b.quiet()
}

// asks sends a request as a script does.
func (w *world) asks(machines []map[string]string) {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{"machines": machines, "reason": "CHG0012345", "requestedBy": "night shift"})
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.address+"/api/v1/commands/request", bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.secret)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusAccepted {
		w.t.Fatal(response.Status)
	}
}
