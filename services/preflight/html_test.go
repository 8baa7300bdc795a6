package preflight

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"reprotect.example/events"
)

// void elements have no end.
var void = []string{"meta", "br"}

// The page is well formed, needs nothing from outside, runs nothing, and its links lead somewhere.
func TestPage(t *testing.T) {
	refused := Report{Site: evil, Problems: []events.Problem{{Code: "machine.unknown", Place: evil, Message: evil, Remedy: evil}}}
	for name, r := range map[string]Report{"full": sample(), "refused": refused, "empty": {}} {
		for _, lang := range []string{"en", "ja"} {
			t.Run(name+" "+lang, func(t *testing.T) {
				t.Parallel()
				raw, err := HTML(r, lang)
				if err != nil {
					t.Fatal(err)
				}
				inspect(t, string(raw), lang)
			})
		}
	}
}

func inspect(t *testing.T, page, lang string) {
	t.Helper()
	var open, ids, targets []string
	level := 0
	for z := html.NewTokenizer(strings.NewReader(page)); ; {
		kind := z.Next()
		if kind == html.ErrorToken {
			break
		}
		token := z.Token()
		switch kind {
		case html.StartTagToken:
			if !slices.Contains(void, token.Data) {
				open = append(open, token.Data)
			}
			if h := regexp.MustCompile(`^h([1-6])$`).FindStringSubmatch(token.Data); h != nil {
				n, _ := strconv.Atoi(h[1])
				if n > level+1 {
					t.Errorf("heading %d after heading %d", n, level)
				}
				level = n
			}
		case html.EndTagToken:
			if len(open) == 0 || open[len(open)-1] != token.Data {
				t.Fatalf("</%s> ends %v", token.Data, open)
			}
			open = open[:len(open)-1]
		}
		if slices.Contains([]string{"script", "img", "link", "iframe", "object", "form", "base"}, token.Data) && kind != html.TextToken {
			t.Errorf("the page has %s", token)
		}
		for _, a := range token.Attr {
			switch {
			case a.Key == "id":
				ids = append(ids, a.Val)
			case a.Key == "href" && strings.HasPrefix(a.Val, "#"), a.Key == "aria-labelledby":
				targets = append(targets, strings.TrimPrefix(a.Val, "#"))
			case a.Key == "href" && strings.HasPrefix(a.Val, "https://learn.microsoft.com/"):
			case a.Key == "href", a.Key == "src", strings.HasPrefix(a.Key, "on"):
				t.Errorf("%s has %s=%q", token.Data, a.Key, a.Val)
			case token.Data == "html" && a.Key == "lang" && a.Val != lang:
				t.Errorf("the page says that it is %s", a.Val)
			}
		}
	}
	if len(open) > 0 {
		t.Errorf("not ended: %v", open)
	}
	if slices.Sort(ids); len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Errorf("an id is there twice: %v", ids)
	}
	for _, target := range targets {
		if !slices.Contains(ids, target) {
			t.Errorf("nothing has the id %q", target)
		}
	}
	if strings.Contains(style, "url(") || strings.Contains(style, "@import") {
		t.Error("the style asks for something from outside")
	}
}

// Of each machine the blocking findings come first, then the unknown, the warnings, the waived and the notes.
func TestOrder(t *testing.T) {
	v := look(sample(), "en")
	i := slices.IndexFunc(v.Machines, func(s section) bool { return s.Name == "db01" })
	var got []string
	for _, f := range v.Machines[i].Shown {
		got = append(got, f.Status)
	}
	want := []string{"status-blocks", "status-unknown", "status-warn", "status-warn", "status-waived", "status-info"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if order := func(s section) int { return slices.Index(standings, s.Standing) }; !slices.IsSortedFunc(v.Machines, func(a, b section) int { return order(a) - order(b) }) {
		t.Error("the machines do not come in the order of their standing")
	}
	var ranks []rank
	for _, c := range v.Causes {
		ranks = append(ranks, c.Rank)
	}
	if !slices.IsSorted(ranks) || len(v.Blocks()) != 3 || len(v.Beside()) != 6 {
		t.Errorf("the causes come as %v", ranks)
	}
}

// WCAG 2 asks for a contrast of 4.5 between text and what is behind it.
func TestContrast(t *testing.T) {
	light, dark, _ := strings.Cut(style, "prefers-color-scheme: dark")
	for name, css := range map[string]string{"light": light, "dark": dark} {
		colors := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]+);`).FindAllStringSubmatch(css, -1) {
			colors[m[1]] = m[2]
		}
		for _, tone := range []string{"good", "bad", "warn", "unclear", "note"} {
			check(t, name, colors, tone, tone+"-back")
		}
		for _, text := range []string{"text", "faint", "link"} {
			check(t, name, colors, text, "back")
			check(t, name, colors, text, "card")
		}
	}
}

func check(t *testing.T, scheme string, colors map[string]string, text, back string) {
	t.Helper()
	a, b := luminance(t, colors[text]), luminance(t, colors[back])
	if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < 4.5 {
		t.Errorf("%s: contrast of %s on %s is %.1f", scheme, text, back, ratio)
	}
}

// luminance is the relative luminance of WCAG 2.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) == 3 {
		hex = fmt.Sprintf("%c%[1]c%c%[2]c%c%[3]c", hex[0], hex[1], hex[2])
	}
	rgb, err := strconv.ParseUint(hex, 16, 24)
	if err != nil || len(hex) != 6 {
		t.Fatalf("%q is no color", hex)
	}
	linear := func(shift uint, weight float64) float64 {
		c := float64(rgb>>shift&0xff) / 255
		if c <= 0.04045 {
			return weight * c / 12.92
		}
		return weight * math.Pow((c+0.055)/1.055, 2.4)
	}
	return linear(16, 0.2126) + linear(8, 0.7152) + linear(0, 0.0722)
}
