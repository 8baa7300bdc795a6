package cli

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/spf13/cobra"

	"reprotect.example/services/cases"
	"reprotect.example/services/status"
)

func (a *app) topCommand() *cobra.Command {
	var site, request string
	c := &cobra.Command{
		Use:   "top",
		Short: "Show live what needs you, and what goes on",
		Long: `Show what 'reprotect status' says, live, and below it a line for each case. Needs a terminal.

Keys: up and down, PgUp and PgDn, Home and End move; Enter opens a case, with its findings and its history; Esc goes back.
/ filters by a word of machine, case, request, site, state or note; s changes the order; r reads at once; q quits.`,
		Example: example("reprotect top", "reprotect top --site tokyo"),
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !terminal(a.stdout) || !terminal(a.stdin) {
				return usage("'reprotect status' says the same once, 'reprotect watch' a line when a case gets somewhere else.", "top needs a terminal")
			}
			b, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			m := topBoard{paint: paint(a.color(a.stdout)), speech: a.speech(), width: 80, height: 24}
			m.read = func() topRead { return a.readTop(cmd.Context(), b, site, request) }
			m.readCase = func(id string) tea.Cmd {
				return func() tea.Msg {
					c, found, err := b.Case(cmd.Context(), id)
					if err == nil && !found {
						err = noSuchCase(id)
					}
					return topCase{c, err}
				}
			}
			// One read comes first: a bus that does not answer is an error of the command, and no empty screen.
			first := a.readTop(cmd.Context(), b, site, request)
			if first.err != nil {
				return first.err
			}
			model, _ := m.Update(first)
			_, err = tea.NewProgram(model, tea.WithContext(cmd.Context()), tea.WithInput(a.stdin), tea.WithOutput(a.stdout), tea.WithoutSignalHandler()).Run()
			return err
		},
	}
	c.Flags().StringVar(&site, "site", "", "only `SITE`")
	c.Flags().StringVar(&request, "request", "", "only the request of that `ID`")
	return c
}

// topRead is one look at everything; topCase one at a case with its whole history.
type (
	topRead struct {
		view  status.View
		cases []cases.Case
		err   error
		timed bool // the clock asked for it: the next is due after it
	}
	topCase struct {
		c   cases.Case
		err error
	}
)

const topPause = 2 * time.Second

func (a *app) readTop(ctx context.Context, b Bus, site, request string) topRead {
	listed, err := b.Cases(ctx)
	if err != nil {
		return topRead{err: err}
	}
	view, err := a.viewOf(ctx, b, listed, site, request)
	listed = slices.DeleteFunc(cases.Listed(listed), func(c cases.Case) bool {
		return site != "" && c.Site != site || request != "" && c.Request != request
	})
	return topRead{view: view, cases: listed, err: err}
}

// Orders of the cases in top.
var topOrders = []struct {
	name string
	less func(a, b cases.Case) int
}{
	{"what needs you first", func(a, b cases.Case) int { return urgency(a) - urgency(b) }},
	{"name", func(a, b cases.Case) int { return strings.Compare(label(a), label(b)) }},
	{"what moved last first", func(a, b cases.Case) int { return b.Updated.Compare(a.Updated) }},
	{"least done first", func(a, b cases.Case) int { return a.Percent - b.Percent }},
}

// topBoard is the picture: a bubbletea model whose only effects are its reads.
type topBoard struct {
	read     func() topRead
	readCase func(id string) tea.Cmd

	view   status.View
	all    []cases.Case
	err    error // of the last read: what is shown is older then
	places map[string]int

	filter        string
	typing        bool
	order         int
	chosen        string // id of the case under the cursor
	open          *cases.Case
	scroll        int // of the open case
	width, height int
	paint         paint
	speech        speech
}

func (b topBoard) Init() tea.Cmd { return b.later() }

func (b topBoard) later() tea.Cmd {
	return tea.Tick(topPause, func(time.Time) tea.Msg { return tick{} })
}

func (b topBoard) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		b.width, b.height = msg.Width, msg.Height
	case tick:
		read := func() tea.Msg { r := b.read(); r.timed = true; return r }
		if b.open != nil {
			return b, tea.Batch(read, b.readCase(b.open.ID))
		}
		return b, read
	case topRead:
		again := tea.Cmd(nil)
		if msg.timed {
			again = b.later()
		}
		if b.err = msg.err; msg.err == nil {
			b.view, b.all, b.places = msg.view, msg.cases, cases.Places(msg.cases)
		}
		return b, again
	case topCase:
		if b.err = msg.err; msg.err == nil && (b.open == nil || b.open.ID == msg.c.ID) {
			b.open = &msg.c
		}
	case tea.KeyPressMsg:
		return b.key(msg)
	}
	return b, nil
}

func (b topBoard) key(k tea.KeyPressMsg) (tea.Model, tea.Cmd) {
	name := k.String()
	switch {
	case name == "ctrl+c":
		return b, tea.Quit
	case b.typing:
		return b.typed(k), nil
	case b.open != nil:
		return b.keyInCase(name)
	}
	shown := b.shown()
	at := max(slices.IndexFunc(shown, func(c cases.Case) bool { return c.ID == b.chosen }), 0)
	move := map[string]int{"up": -1, "k": -1, "down": 1, "j": 1, "pgup": -10, "pgdown": 10, "home": -len(shown), "end": len(shown)}
	switch step, moves := move[name]; {
	case name == "q" || name == "esc" && b.filter == "":
		return b, tea.Quit
	case name == "esc":
		b.filter = ""
	case name == "/":
		b.typing = true
	case name == "s":
		b.order = (b.order + 1) % len(topOrders)
	case name == "r":
		return b, func() tea.Msg { return b.read() }
	case moves && len(shown) > 0:
		b.chosen = shown[min(max(at+step, 0), len(shown)-1)].ID
	case name == "enter" && len(shown) > 0:
		b.chosen, b.scroll = shown[at].ID, 0
		return b, b.readCase(b.chosen)
	}
	return b, nil
}

// typed takes a letter of the filter.
func (b topBoard) typed(k tea.KeyPressMsg) topBoard {
	switch k.String() {
	case "enter":
		b.typing = false
	case "esc":
		b.typing, b.filter = false, ""
	case "backspace":
		if letters := []rune(b.filter); len(letters) > 0 {
			b.filter = string(letters[:len(letters)-1])
		}
	default:
		b.filter += k.Text
	}
	return b
}

func (b topBoard) keyInCase(name string) (tea.Model, tea.Cmd) {
	move := map[string]int{"up": -1, "k": -1, "down": 1, "j": 1, "pgup": -10, "pgdown": 10}
	switch name {
	case "q", "esc", "backspace", "left":
		b.open = nil
	case "home":
		b.scroll = 0
	default:
		b.scroll = max(b.scroll+move[name], 0)
	}
	return b, nil
}

// shown are the cases that the filter lets through, in the chosen order.
func (b topBoard) shown() []cases.Case {
	word := strings.ToLower(b.filter)
	shown := slices.DeleteFunc(slices.Clone(b.all), func(c cases.Case) bool {
		text := strings.Join([]string{c.ID, c.Site, c.Request, names(c), listWord(c), note(c, b.speech, b.places[c.ID])}, " ")
		return !strings.Contains(strings.ToLower(text), word)
	})
	slices.SortStableFunc(shown, topOrders[b.order].less)
	return shown
}

func (b topBoard) View() tea.View {
	v := tea.NewView(b.picture())
	v.AltScreen = true
	return v
}

// picture never has more lines or columns than the screen.
func (b topBoard) picture() string {
	lines := b.lines()
	for i, l := range lines {
		lines[i] = lipgloss.NewStyle().MaxWidth(b.width).Render(l)
	}
	return strings.Join(lines, "\n")
}

func (b topBoard) lines() []string {
	room := max(b.height-1, 1) // the last line is for the keys
	if b.open != nil {
		var text bytes.Buffer
		showCase(&text, *b.open, b.paint, b.speech)
		all := strings.Split(strings.TrimRight(text.String(), "\n"), "\n")
		from := min(b.scroll, max(len(all)-room, 0))
		return append(slices.Clone(all[from:min(from+room, len(all))]), b.foot("Esc back · up, down scroll · Ctrl-C quit"))
	}
	lines := b.needs(max(room/3, 1))
	if bar := stageBar(b.view.Stages, max(b.width, 20), b.paint); bar != "" && room > 8 {
		lines = append(lines, "Machines: "+stageLine(b.view.Stages), bar)
	}
	lines = append(lines, b.table(room-len(lines))...)
	return append(lines[:min(len(lines), room)], b.foot("Enter open · / filter · s order ("+topOrders[b.order].name+") · q quit"))
}

// needs are the most urgent causes, a line each.
func (b topBoard) needs(room int) []string {
	all := b.view.NeedsYou
	if len(all) == 0 {
		return []string{b.paint.level(cases.Good, "Nothing needs you.")}
	}
	lines := []string{b.paint.bold(fmt.Sprintf("NEEDS YOU: %s", plural(len(all), "cause", "causes")))}
	for i, n := range all {
		if i >= room-1 {
			break
		}
		who := strings.Join(n.Machines[:min(len(n.Machines), 2)], ", ")
		if more := len(n.Machines) - 2; more > 0 {
			who += fmt.Sprintf(" and %d more", more)
		}
		lines = append(lines, strings.TrimRight(fmt.Sprintf(" %s %s %s  %s", b.paint.level(needLevel(n), needWord(n)), n.Code, who, cases.OneLine(n.Cause)), " "))
	}
	return lines
}

// table is the part of the cases around the cursor that there is room for.
func (b topBoard) table(room int) []string {
	shown := b.shown()
	if room < 2 {
		return nil
	}
	if len(shown) == 0 {
		return []string{"", "No case is like that."}
	}
	at := max(slices.IndexFunc(shown, func(c cases.Case) bool { return c.ID == b.chosen }), 0)
	rows := room - 1
	from := min(max(at-rows/2, 0), max(len(shown)-rows, 0))
	wide := 7
	for _, c := range shown[from:min(from+rows, len(shown))] {
		wide = max(wide, lipgloss.Width(label(c)))
	}
	wide = min(wide, max(b.width/3, 8))
	lines := []string{b.paint.faint(fmt.Sprintf("  %s %5s  %-14s %s", pad("MACHINE", wide), "DONE", "STATE", fmt.Sprintf("NOTE (%d of %d)", at+1, len(shown))))}
	for i, c := range shown[from:min(from+rows, len(shown))] {
		mark := "  "
		if from+i == at {
			mark = "> "
		}
		line := fmt.Sprintf("%s%s %5s  %s %s", mark, pad(cut(label(c), wide), wide), done(c),
			b.paint.level(stateLevel(c), pad(stateWord(c), 14)), note(c, b.speech, b.places[c.ID]))
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return lines
}

func pad(text string, wide int) string {
	return text + strings.Repeat(" ", max(wide-lipgloss.Width(text), 0))
}

// foot is the last line: what is being typed, what could not be read, else the keys.
func (b topBoard) foot(keys string) string {
	switch {
	case b.typing:
		return "/" + b.filter + "_"
	case b.err != nil:
		return b.paint.level(cases.Bad, "Not read since "+clock(b.view.AsOf)+": "+cases.OneLine(b.err.Error()))
	case b.filter != "":
		keys = "filter: " + b.filter + " · " + keys
	}
	return b.paint.faint(keys)
}
