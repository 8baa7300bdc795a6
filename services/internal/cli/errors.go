package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"reprotect.example/services/preflight"
)

func (a *app) errorsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "errors [CODE...]",
		Short: "Show the catalogue of errors",
		Long: `Show every error code that is known, of Azure Site Recovery, vCenter and Reprotect itself, with its cause and what
to do; or some of them in full. The class says who can do something: temporary passes by itself, operator needs a
person and then goes on, permanent ends the case.

Azure knows more codes than are documented. One that is not here is the operator's: do what Azure recommends, as
'reprotect show' prints it. Ends with 2 when one of the codes is not known.`,
		Example: example("reprotect errors", "reprotect errors 8061 95226", "reprotect errors --lang ja", "reprotect errors -o json | jq '.[] | select(.class == \"operator\")'"),
		RunE: func(_ *cobra.Command, codes []string) error {
			all := a.deps.Errors(a.lang)
			shown, unknown := append([]KnownError{}, all...), []string(nil)
			if len(codes) > 0 {
				shown, unknown = pick(all, codes)
			}
			if err := a.showErrors(shown, len(codes)); err != nil {
				return err
			}
			if len(unknown) > 0 {
				return a.unknownErrors(unknown)
			}
			return nil
		},
	}
}

// pick finds codes in the catalogue, whatever their case.
func pick(all []KnownError, codes []string) (found []KnownError, unknown []string) {
	for _, code := range codes {
		i := slices.IndexFunc(all, func(e KnownError) bool { return strings.EqualFold(e.Code, code) })
		if i < 0 {
			unknown = append(unknown, code)
			continue
		}
		found = append(found, all[i])
	}
	return found, unknown
}

// showErrors prints the catalogue, or in full what was asked for.
func (a *app) showErrors(errors []KnownError, asked int) error {
	codes := make([]string, len(errors))
	for i, e := range errors {
		codes[i] = e.Code
	}
	switch {
	case asked > 0 && len(errors) == 0 || a.onlyNames(codes):
		return nil
	case a.json() && asked == 1:
		return a.printJSON(errors[0])
	case a.json():
		return a.printJSON(errors)
	}
	for i, e := range errors {
		if asked == 0 {
			listError(a.stdout, a.lang, e)
			continue
		}
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		fullError(a.stdout, a.lang, e)
	}
	return nil
}

func errorKind(e KnownError) string {
	kind := e.Class
	if e.Warning {
		kind += ", a warning"
	}
	kind += "; " + e.For
	if len(e.Refs) > 0 {
		kind += "; " + strings.Join(e.Refs, " ")
	}
	return kind
}

func listError(w io.Writer, lang string, e KnownError) {
	fmt.Fprintf(w, "%s (%s): %s\n", e.Code, errorKind(e), e.Title)
	for _, part := range parts(lang, e) {
		fmt.Fprintf(w, "  %s: %s\n", part.name, part.text)
	}
}

func fullError(w io.Writer, lang string, e KnownError) {
	fmt.Fprintf(w, "%s (%s)\n%s\n", e.Code, errorKind(e), e.Title)
	all := parts(lang, e)
	if len(e.Texts) > 0 {
		all = append(all, labelled{preflight.Say(lang, "recognised"), `"` + strings.Join(e.Texts, `", "`) + `"`})
	}
	for _, part := range all {
		fmt.Fprintf(w, "\n%s: %s\n", part.name, part.text)
	}
}

func parts(lang string, e KnownError) []labelled {
	all := []labelled{{preflight.Say(lang, "cause"), e.Cause}, {preflight.Say(lang, "remedy"), e.Remedy}, {preflight.Say(lang, "reference"), e.Reference}}
	return slices.DeleteFunc(all, func(l labelled) bool { return l.text == "" })
}

// unknownErrors says what is to be done about codes that nobody knows.
func (a *app) unknownErrors(codes []string) error {
	for _, c := range a.deps.Checks(a.lang) {
		if strings.EqualFold(c.Code, codes[0]) {
			return usage(fmt.Sprintf("It is a check: see 'reprotect checks %s'.", c.Code), "there is no error %q in the catalogue", codes[0])
		}
	}
	remedy := "Unknown codes are the operator's: do what Azure recommends, as 'reprotect show CASE' prints it, or see the job in the Azure portal."
	if a.lang == "ja" {
		remedy = "カタログにないコードは、オペレーターが対処してください。'reprotect show CASE' または Azure portal のジョブに表示される、Azure の推奨される操作に従ってください。"
	}
	return usage(remedy, "there is no error %q in the catalogue", strings.Join(codes, `", "`))
}
