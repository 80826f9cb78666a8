package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sessiontool/lib/record"
)

// Spec is the specification of a command: how it is called, what it reads and prints, and how it ends. Help texts, man
// pages, the pages of docs/commands and the completion of --select are made from it, and the tests check every run of
// the command against it.
type Spec struct {
	// Use is the command line, as cobra expects it. The arguments that the command accepts follow from it: see argsOf.
	Use   string
	Short string
	Long  string // empty if Short is enough
	// Examples are shell commands. The tests run each of them.
	Examples []string
	Complete cobra.CompletionFunc           // proposes arguments; may be nil
	PreRun   func(cmd *cobra.Command) error // checks the flags; may be nil
	Reads    []string                       // types of the records that it reads from stdin
	Prints   []string                       // types of the records that it prints, next to errors
	Needs    Needs                          // what it opens, which adds exits
	Exits    Exits                          // next to ExitsEverywhere and those that follow from Reads and Needs
	// Delivers says that a printed record counts as delivered. Such a command does not start without a stdout.
	Delivers bool
	Run      func(cmd *cobra.Command, args []string) error // made by [App.Run] or one of its variants
}

// Exits maps the exit codes that a command may end with to what they mean for it. An empty text adds nothing to the
// meaning that [record.Exits] has for the code.
type Exits map[int]string

// ExitsEverywhere are the codes that every command may end with.
var ExitsEverywhere = []int{
	record.ExitOK, record.ExitUnexpected, record.ExitUsage, record.ExitTemporary, record.ExitTimeout,
	record.ExitHangup, record.ExitInterrupt, record.ExitTerminated,
}

// Needs is what a command opens.
type Needs uint8

// The parts of Needs.
const (
	Account Needs = 1 << iota // a keystore, and an account in it
	Network                   // a network
)

// exits returns the exits of a command that cannot open what it needs.
func (needs Needs) exits() Exits {
	account := Exits{
		record.ExitNotFound: "no such keystore or account",
		record.ExitAuth:     "the keystore does not open",
		record.ExitLocked:   "",
	}
	network := Exits{
		record.ExitNotFound:  "no network is named or runs",
		record.ExitTemporary: "the network does not answer",
	}
	switch needs {
	case 0:
		return Exits{}
	case Account:
		return account
	case Network:
		return network
	}
	maps.Copy(account, network)
	account[record.ExitNotFound] = "no such keystore, account or network"
	return account
}

// Command makes a command of its specification.
func (app *App) Command(spec Spec) *cobra.Command {
	cmd := &cobra.Command{
		Use: spec.Use, Short: spec.Short, Long: spec.Long, Args: argsOf(spec.Use), ValidArgsFunction: spec.Complete,
		Example: examples(spec.Examples), RunE: spec.Run,
	}
	if spec.PreRun != nil {
		cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return spec.PreRun(cmd) }
	}
	app.Specify(cmd, spec)
	return cmd
}

// Specify gives a command that was made without a specification one.
func (app *App) Specify(cmd *cobra.Command, spec Spec) { app.specs[cmd] = spec }

// argsOf returns the check of the arguments of a command line: none; "[-]", which means stdin; as many as there are
// names in capitals; any number if names are in brackets.
func argsOf(use string) cobra.PositionalArgs {
	words := strings.Fields(use)[1:]
	switch rest := strings.Join(words, " "); {
	case rest == "":
		return noArgs
	case rest == "[-]":
		return onlyDash
	case strings.Contains(rest, "["):
		return nil
	}
	return cobra.ExactArgs(len(words))
}

// examples indents examples, as help texts show them.
func examples(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return "  " + strings.Join(lines, "\n  ")
}

// SpecOf returns the specification of a command. Help topics and commands that only hold others have an empty one.
func (app *App) SpecOf(cmd *cobra.Command) Spec { return app.specs[cmd] }

// Kinds returns the types of all records that the command may print.
func (s Spec) Kinds() []string {
	if len(s.Prints) == 0 {
		return nil
	}
	return append(slices.Clone(s.Prints), record.TypeError)
}

// Exit is an exit code of a command, with what it means for this command.
type Exit struct {
	record.Exit
	Remark string
}

// ExitList returns the exit codes of the command in ascending order: success, wrong usage, those that follow from
// s.Reads and s.Needs, and those of s.Exits. It panics if [record.Exits] lacks a code.
func (s Spec) ExitList() []Exit {
	remarks := s.Needs.exits()
	if len(s.Reads) > 0 {
		remarks[record.ExitPartial] = ""
	}
	maps.Copy(remarks, s.Exits)
	for _, code := range []int{record.ExitOK, record.ExitUsage} {
		remarks[code] += "" // is listed, with or without a remark
	}
	var list []Exit
	for _, code := range slices.Sorted(maps.Keys(remarks)) {
		at := slices.IndexFunc(record.Exits, func(e record.Exit) bool { return e.Code == code })
		if at < 0 {
			panic(fmt.Sprintf("%q: %d is not an exit code", s.Use, code))
		}
		list = append(list, Exit{record.Exits[at], remarks[code]})
	}
	return list
}

// Text returns the meaning of the code, with the remark.
func (e Exit) Text() string {
	if e.Remark == "" {
		return e.Meaning
	}
	return e.Meaning + ": " + e.Remark
}

// OtherExits names the codes of ExitsEverywhere that ExitList does not have.
func (s Spec) OtherExits() string {
	var others []string
	listed := s.ExitList()
	for _, code := range ExitsEverywhere {
		if !slices.ContainsFunc(listed, func(e Exit) bool { return e.Code == code }) {
			others = append(others, fmt.Sprint(code))
		}
	}
	return strings.Join(others, ", ")
}
