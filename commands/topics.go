package commands

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sessiontool/lib/record"
)

// newExitCodesTopic is the help page made from the table of codes.
func newExitCodesTopic(*App) *cobra.Command {
	return &cobra.Command{
		Use: "exit-codes", Short: "What the exit and error codes mean",
		Long: "A failing command ends with an error record as the last line on stderr:\n\n" +
			"  {\"type\":\"error\",\"code\":...,\"message\":...,\"hint\":...,\"retryable\":...,\"exit_code\":...}\n\n" +
			ExitCodesTable(),
	}
}

// ExitCodesTable lists every code with its exit code, for the help topic and the documentation.
func ExitCodesTable() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-4s  %-21s  %-5s  %s\n", "exit", "code", "retry", "meaning")
	fmt.Fprintf(&b, "%-4d  %-21s  %-5s  %s\n", record.ExitOK, "-", "-", "everything went well")
	for _, info := range record.Codes {
		retry := "no"
		if info.Retryable {
			retry = "yes"
		}
		fmt.Fprintf(&b, "%-4d  %-21s  %-5s  %s\n", info.Exit, info.Code, retry, info.Meaning)
	}
	return b.String()
}
