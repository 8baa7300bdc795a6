// Package faults is the catalogue of the errors that the product shows: Azure Site Recovery's codes, vCenter's, and
// its own. Each is a row of data with what causes it and what to do, in English and Japanese.
//
// It adds to the words of Azure and vCenter, and never replaces them: those stand beside it as they came. A code that
// is not here is the operator's, with Azure's recommended action.
//
// A code stays in the catalogue when nothing says it any more: event logs remember it.
package faults

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"reprotect.example/services/observed"
)

// Area says whose errors a code belongs to.
type Area string

// Areas.
const (
	Azure     Area = "azure"
	VCenter   Area = "vcenter"
	Reprotect Area = "reprotect" // the product's own
)

// Reach says what an error that answers a call keeps from going on.
type Reach int

// Reaches.
const (
	OfMachine Reach = iota // this machine, or its job: nobody else
	OfAccess               // everything: whoever asks gets the same answer
	OfCall                 // this call: it may have done what was asked, and looks go on meanwhile
	OfPlace                // what was asked for is not there: another look tells what took its place
	OfAgent                // this machine, until its agent is registered (S33, M4)
)

// Row is an error that is known. Its texts stand in a table for each language.
type Row struct {
	Code    string
	Texts   []string // words, in lower case, by which an error without a code of its own is recognised
	Class   observed.Class
	Warning bool // an operation carries it and goes on: judge by the operation's status alone
	Reach   Reach
	For     Area
	Refs    []string // of the procedure: S33, N1, M4

	Reference string // public page; empty when there is none
	Basis     Basis  // of Azure's codes: how it is known what the code means; "" of our own
}

// Basis says how it is known what one of Azure's codes means.
type Basis string

// Bases of a row.
const (
	Documented Basis = "documented" // on a public page of Microsoft's
	Recorded   Basis = "recorded"   // seen in recorded traffic of the real service
	Assumed    Basis = "assumed"    // no public page and no recording of a reprotect shows it
)

// Languages in which every text exists, as --lang names them.
const (
	English  = "en"
	Japanese = "ja"
)

// Text is what the catalogue says of an error to people.
type Text struct{ Title, Cause, Remedy string }

// In returns the texts of an error in a language, as sentences. What no table has is English.
func (r Row) In(lang string) Text {
	if text, ok := japanese[r.Code]; ok && lang == Japanese {
		return text
	}
	text := english[r.Code]
	return Text{Title: text.Title, Cause: Sentence(text.Cause), Remedy: Sentence(text.Remedy)}
}

// Remedy says in English what to do, as it stands in a observed.Fault: after a colon.
func (r Row) Remedy() string { return english[r.Code].Remedy }

// Catalogue returns every row, in the order in which they are shown.
func Catalogue() []Row {
	return slices.Concat(siteRecovery, resourceManager, azure, vCenter, pipeline, homeward, commands, questions, watched)
}

// Lookup returns the row of a code, whatever its case.
func Lookup(code string) (Row, bool) { return find(Catalogue(), code) }

// Recognize returns the row of an error of that area: by its code, else by its words.
func Recognize(area Area, code, message string) (Row, bool) {
	rows := slices.DeleteFunc(Catalogue(), func(r Row) bool { return r.For != area })
	if row, ok := find(rows, code); ok {
		return row, true
	}
	message = strings.ToLower(message)
	i := slices.IndexFunc(rows, func(r Row) bool {
		return slices.ContainsFunc(r.Texts, func(text string) bool { return strings.Contains(message, text) })
	})
	if i < 0 {
		return Row{}, false
	}
	return rows[i], true
}

func find(rows []Row, code string) (Row, bool) {
	i := slices.IndexFunc(rows, func(r Row) bool { return strings.EqualFold(r.Code, code) })
	if i < 0 {
		return Row{}, false
	}
	return rows[i], true
}

// Sentence gives a clause a capital letter and a full stop, unless it has them.
func Sentence(clause string) string {
	if clause == "" {
		return ""
	}
	letter, size := utf8.DecodeRuneInString(clause)
	return string(unicode.ToUpper(letter)) + strings.TrimSuffix(clause[size:], ".") + "."
}
