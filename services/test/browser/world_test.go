// Package browser holds the console to its promises in a real browser: the system's Chromium. Where none is installed its
// tests are skipped.
package browser

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"go.uber.org/zap"

	"reprotect.example/services/internal/app"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/internal/telemetry"
	"reprotect.example/services/lab"
	"reprotect.example/services/lab/scenario"
)

// limit is for anything that is awaited: a loaded machine is slow, and a test that fails for that says nothing.
const limit = 3 * time.Minute

// chromium is the system's browser.
func chromium(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser, and runs the product for half a minute")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no browser is installed: install chromium to run this test")
	return ""
}

// tab is a window of the browser, and what it complained of.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string
	elsewhere  []string // addresses outside of this machine that it asked for
}

func openTab(t *testing.T, lang string) *tab {
	t.Helper()
	path := chromium(t)
	options := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	options = append(options,
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-sync", true), chromedp.NoFirstRun, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("lang", lang), chromedp.Flag("accept-lang", lang), chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(limit),
	)
	b := &tab{t: t}
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	ctx, end := chromedp.NewContext(allocator, chromedp.WithListener(b.hears))
	b.ctx = ctx
	t.Cleanup(func() {
		end()
		stop()
	})
	b.run("the browser starts")
	return b
}

func (b *tab) hears(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, fmt.Sprint(e.ExceptionDetails.Text, " ", e.ExceptionDetails.URL))
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" {
			b.complaints = append(b.complaints, fmt.Sprint(e.Type))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			b.complaints = append(b.complaints, e.Entry.Text+" "+e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil || u.Hostname() != "127.0.0.1" && u.Scheme != "data" && u.Scheme != "about" {
			b.elsewhere = append(b.elsewhere, e.Request.URL)
		}
	}
}

// quiet holds that the browser complained of nothing and asked nobody else.
func (b *tab) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		b.t.Errorf("the browser complains: %s", c)
	}
	for _, u := range b.elsewhere {
		b.t.Errorf("the page asks for %s", u)
	}
}

func (b *tab) run(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

// await waits until an expression of the page is true. A page that is being loaded cannot say yet.
func (b *tab) await(what, expression string) {
	b.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); ; <-tick.C {
		yes, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && yes {
			return
		}
		if time.Now().After(deadline) {
			text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location.href + "\n" + document.title + "\n" + document.body.innerText`))
			b.t.Fatalf("%s: not within %v (%v)\n%.3000s", what, limit, err, text)
		}
	}
}

func (b *tab) eval(expression string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return text
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.run("click "+selector, chromedp.Click(chromedp.CSS(selector)))
}

func (b *tab) keys(keys string) {
	b.t.Helper()
	b.run("type "+keys, chromedp.KeyEvent(keys))
}

// window gives the page a size and a colour scheme.
func (b *tab) window(width, height int64, scheme string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500})
	if err == nil {
		_, err = chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	}
	if err != nil {
		b.t.Fatalf("the window of %d: %v", width, err)
	}
}

// open goes to a page of the console and waits until it is live.
func (b *tab) open(address string) {
	b.t.Helper()
	b.run("open "+address, chromedp.Navigate(address))
}

// says waits until the page says something.
func (b *tab) says(text string) {
	b.t.Helper()
	b.await("the page says "+text, fmt.Sprintf("document.getElementById('page') && document.getElementById('page').innerText.includes(%q)", text))
}

// tabTo presses the tabulator until what has the focus fits.
func (b *tab) tabTo(what, fits string) {
	b.t.Helper()
	for range 80 {
		b.keys("\t")
		if b.eval("(e => "+fits+")(document.activeElement)") == "true" {
			return
		}
	}
	b.t.Fatalf("the tabulator does not come to %s", what)
}

// world is the product with all that it needs, in this process.
type world struct {
	t       *testing.T
	dir     string
	address string
	secret  string
	ready   lab.Ready
}

// secret is the token of the console.
const secret = "correct horse battery staple"

// serve runs the lab, every service and the console.
func serve(t *testing.T, machines int, speed float64) *world {
	t.Helper()
	chromium(t)
	w := &world{t: t, dir: filepath.Join(t.TempDir(), "lab"), secret: secret}
	s := scenario.Default(machines)
	s.Speed = speed
	l, err := lab.Start(t.Context(), lab.Options{Scenario: s, Dir: w.dir, Bus: lab.BusNATS, Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	w.ready = l.Ready()
	c, err := config.Load(w.ready.Config)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "console-token")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.HTTP.Auth = &config.Auth{TokenFile: file}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.address = "http://" + listener.Addr().String()
	bus, err := app.OpenBus(t.Context(), c, "test", false, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := bus.SetUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	bus.Close()
	health := telemetry.NewHealth()
	services, err := app.New(app.Options{Config: c, Targets: app.Targets(), Log: zap.NewNop(), Health: health, Observe: func(string, string, string, time.Duration) {}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	shown, err := services.Console(app.ConsoleOptions{Version: "v1.0.0", Health: app.Parts(health), Drain: ctx.Done()})
	if err != nil || shown == nil {
		t.Fatal(shown, err)
	}
	var running sync.WaitGroup
	running.Go(func() { shown.Run(ctx) })
	running.Go(func() { services.Run(ctx) })
	running.Go(func() { _ = telemetry.Serve(ctx, listener, shown.Handler()) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return w
}

func (w *world) do(action string, args ...string) {
	w.t.Helper()
	if err := lab.Do(w.t.Context(), w.dir, action, args...); err != nil {
		w.t.Fatalf("%s %s: %v", action, strings.Join(args, " "), err)
	}
}

// typed types into a field.
func typed(field, text string) chromedp.Action[chromedp.Void] {
	return chromedp.SendKeys(chromedp.CSS(`input[name="`+field+`"]`), text)
}
