package commands

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sessiontool/lib/record"
)

// newExitCodesTopic is the help page made from the table of codes.
func newExitCodesTopic() *cobra.Command {
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

// newProtocolsTopic is the help page about the two generations.
func newProtocolsTopic() *cobra.Command {
	return &cobra.Command{
		Use: "protocols", Short: "Which protocol is spoken with whom",
		Long: "Two things are of two generations, 2020 and today, and do not depend on each other.\n\n" +
			"The network: how nodes are asked to store and to retrieve. Its file, or the devnet, says so; else the nodes\n" +
			"are asked once. mainnet and testnet are of today.\n\n" +
			"The messages: 2020 is a friend request, then sessions with forward secrecy, proof of work where the network\n" +
			"asks for it, and the synchronous route. today is what phones speak: anybody can be written to at once, and\n" +
			"no session is needed, so there is no forward secrecy either.\n\n" +
			"With --protocol auto a contact is spoken to as it spoke last ('contact list' shows it), and somebody of whom\n" +
			"nothing is known as is usual on the network. Everything that arrives is understood, on every network.\n\n" +
			"The first text of a stranger in today's protocol is a friend request as well: poll prints a friend_request\n" +
			"record and then the message, with the same id. To accept it or to answer it comes to the same.",
	}
}
