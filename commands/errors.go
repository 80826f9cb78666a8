package commands

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

type errorsOptions struct {
	names []string // none for all
}

func newErrorsCommand(app *cli.App) *cobra.Command {
	opts := &errorsOptions{}
	return app.Command(cli.Spec{
		Use:   "errors [CODE...]",
		Short: "Print what error codes mean and what to do about them",
		Long: "Print what each error code means, what to do about it, and whether a retry makes sense. An exit\n" +
			"status, as in 'sessiontool errors $?', names all its codes. Without a code all are printed.",
		Examples: []string{
			"sessiontool errors not_stored",
			"sessiontool errors 5 --select code",
		},
		Complete: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var codes []string
			for _, info := range record.Codes {
				codes = append(codes, cobra.CompletionWithDesc(string(info.Code), info.Meaning))
			}
			return codes, cobra.ShellCompDirectiveNoFileComp
		},
		Prints: []string{record.TypeErrorCode},
		Exits:  cli.Exits{record.ExitUsage: "no such code"},
		Run: app.RunAtOnce(func(args []string) error {
			opts.names = args
			return runErrors(app, opts)
		}),
	})
}

func runErrors(app *cli.App, opts *errorsOptions) error {
	infos := record.Codes
	if len(opts.names) > 0 {
		infos = nil
	}
	for _, name := range opts.names {
		found := 0
		for _, info := range record.Codes {
			if name == string(info.Code) || name == strconv.Itoa(info.Exit) {
				infos = append(infos, info)
				found++
			}
		}
		if found == 0 {
			return cli.UsageError(fmt.Errorf("there is no error code %q: see 'sessiontool errors --select code'", name))
		}
	}
	for _, info := range infos {
		if err := app.Print(record.ErrorCode{
			Type: record.TypeErrorCode, Code: string(info.Code), ExitCode: info.Exit, Retryable: info.Retryable,
			Meaning: info.Meaning, Hint: info.Hint,
		}); err != nil {
			return err
		}
	}
	return nil
}
