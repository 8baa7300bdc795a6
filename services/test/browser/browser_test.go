package browser

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var pictures = flag.String("pictures", "", "keep pictures of the pages in this `FOLDER`")

// A person who has nothing but a keyboard signs in, asks for two machines, and sees them come home on one page. Then one
// of them is switched on at home, which shows wherever somebody looks, until somebody has seen to it.
func TestFromRequestToAcknowledgement(t *testing.T) {
	w := serve(t, 4, 600)
	names := w.ready.Machines[:2]
	b := openTab(t, "en")

	b.open(w.address + "/login?back=/")
	b.await("the name has the focus", `document.activeElement.name === "name"`)
	b.keys("Ann")
	b.tabTo("the token", `e.name === "secret"`)
	b.keys(w.secret)
	b.keys(kb.Enter)
	b.await("Overview", `location.pathname === "/" && document.title === "Overview – Reprotect"`)
	b.says("There are no cases yet.")
	b.tabTo("the link to the request", `e.pathname === "/request"`)
	b.keys(kb.Enter)
	b.await("the machines have the focus", `document.activeElement.name === "machines"`)
	b.keys(strings.Join(names, ", "))
	b.tabTo("the reason", `e.name === "reason"`)
	b.keys("CHG0012345")
	b.keys(kb.Enter)
	b.await("the cases of the request", `location.pathname === "/cases"`)

	b.eval(`window.stays = true`)
	b.await("both are protected", `[...document.querySelectorAll("tbody tr .badge.good")].filter(e => e.innerText === "protected").length === 2`)
	if b.eval(`window.stays`) != "true" {
		t.Error("the page was loaded again on the way")
	}

	b.open(w.address + "/")
	b.says("Nothing needs a person now.")
	b.eval(`window.stays = true`)
	begun := time.Now()
	w.do("power-on", names[0])
	b.await("the alarm shows on Overview and in the title", `document.title.startsWith("(1) ") && document.querySelector(".need.alarm") !== null`)
	t.Logf("an alarm shows %v after the machine was switched on", time.Since(begun).Round(time.Millisecond))
	b.says(names[0])
	w.do("power-off", names[0])
	b.await("the alarm has ended, and left damage", `document.querySelector(".need.alarm.ended") !== null`)
	b.tabTo("Acknowledge", `e.pathname === "/act/acknowledge"`)
	b.keys(kb.Enter)
	b.await("the reason has the focus", `document.activeElement.name === "reason"`)
	b.keys("resynchronized")
	b.keys(kb.Enter)
	b.await("it is acknowledged", `location.pathname === "/alarms" && !document.title.startsWith("(") && document.querySelector(".finding.off") !== null`)
	b.says("Ann (token)")
	b.says("resynchronized")

	b.open(w.address + "/cases?q=" + names[0])
	b.click(`tbody th a`)
	b.says("What happened")
	b.says("Ann (token)")
	caseAddress := b.eval(`location.href`)

	addresses := []string{"/", "/cases", strings.TrimPrefix(caseAddress, w.address), "/alarms", "/ready-for-failback", "/preflight", "/datastores", "/log", "/health", "/request"}
	b.looksRight(w, addresses)

	b.open(w.address + "/")
	b.click(`a[hreflang="ja"]`)
	b.await("the page is Japanese", `document.documentElement.lang === "ja" && document.title === "概要 – Reprotect"`)
	b.says("現在、人の対応が必要なものはありません。")
	b.open(w.address + "/cases?state=completed")
	b.says("保護済み")
	b.click(`a[hreflang="en"]`)
	b.await("the filter is kept", `document.documentElement.lang === "en" && location.search === "?state=completed"`)
	b.quiet()
}

// A browser that prefers Japanese gets it without a word.
func TestPrefersJapanese(t *testing.T) {
	w := many(t, 3)
	b := openTab(t, "ja")
	b.open(w + "/cases")
	b.await("the page is Japanese", `document.documentElement.lang === "ja" && document.title.endsWith("ケース – Reprotect")`)
	b.quiet()
}

// widths are a phone, a desk and a wall.
var (
	widths  = []int64{390, 1280, 2560}
	heights = map[int64]int64{390: 844, 1280: 900, 2560: 1440}
)

// looksRight looks at every page on a phone, a desk and a wall, in light and dark: nothing stands out of the page at its
// side, and axe-core finds nothing.
func (b *tab) looksRight(w *world, addresses []string) {
	b.t.Helper()
	axe := axeSource(b.t)
	for i, address := range addresses {
		b.open(w.address + address)
		b.await("the page is live", `document.readyState === "complete"`)
		for j, width := range widths {
			scheme := []string{"light", "dark"}[(i+j)%2]
			b.window(width, heights[width], scheme)
			if over := b.eval(`document.documentElement.scrollWidth - document.documentElement.clientWidth`); over != "0" {
				b.t.Errorf("%s at %d: %s pixels stand out of the page", address, width, over)
			}
			b.keep(fmt.Sprintf("%s-%d-%s.png", pageName(address), width, scheme))
		}
		if axe != "" {
			b.accessible(address, axe)
		}
	}
	b.window(1280, 900, "light")
}

func pageName(address string) string {
	name := strings.Trim(address, "/")
	if i := strings.IndexAny(name, "/?"); i >= 0 {
		name = "case"
	}
	if name == "" {
		name = "overview"
	}
	return name
}

func (b *tab) keep(name string) {
	b.t.Helper()
	if *pictures == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.MkdirAll(*pictures, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*pictures, name), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// accessible lets axe-core judge a page.
func (b *tab) accessible(address, axe string) {
	b.t.Helper()
	b.eval("(() => {" + axe + "})()")
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](
		`axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify(r.violations.map(v => ({id: v.id, help: v.help, nodes: v.nodes.map(n => n.html + " " + n.failureSummary)}))))`,
		chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("judge %s: %v", address, err)
	}
	var violations []struct {
		ID, Help string
		Nodes    []string
	}
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range violations {
		b.t.Errorf("%s: axe-core finds %s (%s): %s", address, v.ID, v.Help, strings.Join(slices.Compact(v.Nodes), "\n  "))
	}
}
