package audit

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"reprotect.example/services/cases"
)

// Row is a message as tools for security events take it: what happened, when, to what, and who asked.
type Row struct {
	Position uint64
	Time     time.Time
	ID       string
	Kind     string // request, accepted, …
	Source   string
	Site     string
	Case     string
	Step     string
	Request  string
	Who      string // who asked, as the command or its case says; "": nobody is named
	Reason   string
	Level    string // of package cases
	Text     string // one line
	Leaf     string
}

// asked is where commands, and the facts that carry their case, say who asked and why.
type asked struct {
	RequestedBy string `json:"requestedBy"`
	Reason      string `json:"reason"`
	Case        struct {
		RequestedBy string `json:"requestedBy"`
		Reason      string `json:"reason"`
	} `json:"case"`
}

// RowOf reads a message. What cannot be understood has a row as well, which says so.
func RowOf(e Entry) Row {
	r := e.Received
	r.ID = idOf(r)
	read := cases.ReadEntry(r)
	line := cases.Describe(read)
	h := read.Header
	row := Row{
		Position: e.Position, Time: line.Time, ID: cmp.Or(line.ID, r.ID), Kind: cmp.Or(line.Kind, r.Subject[strings.LastIndex(r.Subject, ".")+1:], "unreadable"), Source: h.Source, Site: h.Site, Case: h.Case,
		Step: h.Step, Request: h.Request, Level: line.Level, Text: line.Text, Leaf: LeafOf(e.Received).String(),
	}
	var who asked
	if raw, err := json.Marshal(read.Data); err == nil {
		_ = json.Unmarshal(raw, &who) // a command names its case by its id: then there is no case to read
	}
	row.Who, row.Reason = cmp.Or(who.RequestedBy, who.Case.RequestedBy), cmp.Or(who.Reason, who.Case.Reason)
	return row
}

// Formats are the forms of an export, by the names of -o.
func Formats() []string { return []string{"jsonl", "cef", "ocsf", "csv"} }

// Writer writes an export.
type Writer struct {
	out     io.Writer
	version string // of the program
	write   func(Entry) ([]byte, error)
}

// NewWriter begins an export; what comes before the first message is written at once.
func NewWriter(out io.Writer, format, version string) (*Writer, error) {
	w := &Writer{out: out, version: version}
	switch format {
	case "jsonl":
		w.write = Line
	case "cef":
		w.write = func(e Entry) ([]byte, error) { return cef(RowOf(e), version), nil }
	case "ocsf":
		w.write = func(e Entry) ([]byte, error) { return ocsf(RowOf(e), version) }
	case "csv":
		w.write = func(e Entry) ([]byte, error) { return csvLine(RowOf(e).cells()) }
		head, err := csvLine(columns)
		if err != nil {
			return nil, err
		}
		return w, w.put(head)
	default:
		return nil, fmt.Errorf("there is no export in the form %q", format)
	}
	return w, nil
}

// Write adds a message.
func (w *Writer) Write(e Entry) error {
	line, err := w.write(e)
	if err != nil {
		return err
	}
	return w.put(line)
}

func (w *Writer) put(line []byte) error {
	if _, err := w.out.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	return nil
}
