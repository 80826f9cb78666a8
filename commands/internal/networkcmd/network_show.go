package networkcmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

func newShowCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:   "show",
		Short: "Print the network's seeds and the list of service nodes that is kept of it",
		Long: "Print which network commands use, its seeds, and what is kept of its list of service nodes: how many,\n" +
			"from where, and how old. Nothing is asked; 'sessiontool doctor' asks the seeds.\n\n" +
			"The list of the last success is kept beside the keystore. It is used for 6 hours without asking the\n" +
			"seeds, and longer while no seed answers: then old is true, doctor says so, and receipts have the warning\n" +
			"old_node_list. A list from 'network import' is marked in the same way until the seeds answer.\n\n" +
			"A seed whose certificate no authority confirms, or whose certificate is expired, is used if the network\n" +
			"file pins that certificate: {\"seeds\":[\"https://HOST:PORT\"],\"pins\":{\"https://HOST:PORT\":\"SHA256\"}}.\n" +
			"This prints the digest; compare it with one from a source that you trust:\n\n" +
			"  openssl s_client -connect HOST:PORT < /dev/null | openssl x509 -outform DER | sha256sum",
		Examples: []string{"sessiontool network show", "sessiontool network show --select '{source,nodes,age_ms}'"},
		Prints:   []string{record.TypeNodeList},
		Exits:    cli.Exits{record.ExitNotFound: "no network is named or runs"},
		Run:      app.Run(func(context.Context, []string) error { return runShow(app) }),
	})
}

func runShow(app *cli.App) error {
	client, err := app.OpenNetwork()
	if err != nil {
		return err
	}
	out, err := nodeList(app, client)
	if err != nil {
		return err
	}
	return app.Print(out)
}
