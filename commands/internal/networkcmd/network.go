// Package networkcmd contains the commands about the network that a client uses: its seeds and its list of service
// nodes.
package networkcmd

import (
	"crypto/sha256"
	"slices"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/network"
	"sessiontool/lib/record"
)

// New makes the command network.
func New(app *cli.App) *cobra.Command {
	return cli.Parent("network", "Show the network and its list of service nodes, or import a list", "",
		newShowCommand(app),
		newImportCommand(app),
	)
}

// nodeList returns the record of the list that a client keeps.
func nodeList(app *cli.App, client *network.Client) (record.NodeList, error) {
	described, err := app.ResolveNetwork()
	if err != nil {
		return record.NodeList{}, err
	}
	list := client.List()
	out := record.NodeList{
		Type: record.TypeNodeList, Network: described.Name, Source: string(list.Source), Nodes: list.Nodes,
		VouchedBy: vouchedBy(list.Source), Old: list.Old, Seeds: described.Seeds, Pinned: []string{},
		Generation: described.Generation, ClockOffsetMS: client.Offset().Milliseconds(),
	}
	for _, seed := range described.Seeds {
		if len(described.Pins[seed]) == 2*sha256.Size {
			out.Pinned = append(out.Pinned, seed)
		}
	}
	slices.Sort(out.Pinned)
	if !list.At.IsZero() {
		out.At, out.AgeMS = record.Time(list.At), max(app.Now().Sub(list.At).Milliseconds(), 0)
	}
	if !list.SeedsFailedAt.IsZero() {
		out.SeedsFailedAt = record.Time(list.SeedsFailedAt)
	}
	if app.KeystoreDir != "" {
		out.File = network.StatePath(app.KeystoreDir, described.Seeds)
	}
	proxy, _, err := app.Proxy()
	out.Proxy = proxy.String()
	return out, err
}

// vouchedBy returns which party the nodes of a list are believed from.
func vouchedBy(source network.ListSource) string {
	if source == network.ListSeeds {
		return "seeds"
	}
	return "nobody"
}
