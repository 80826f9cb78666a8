package plumbing

import (
	"context"
	"crypto/sha256"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/account"
	"sessiontool/lib/envelope"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/storage"
)

func newSwarmRetrieveCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:   "retrieve",
		Short: "Print the envelopes that the account's swarm stores",
		Long: "Ask three random nodes of the account's own swarm for all they store, and print each message once,\n" +
			"as it is: 'envelope open' opens them. Nothing is marked as read. The order is that of the nodes,\n" +
			"each of which lists messages as they reached it; 'poll' sorts them.",
		Examples: []string{"sessiontool swarm retrieve | sessiontool envelope open"},
		Prints:   []string{record.TypeEnvelope, record.TypeTruncated},
		Needs:    cli.Account | cli.Network,
		Exits:    cli.Exits{record.ExitPartial: "some members have more (truncated)", record.ExitClock: ""},
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runSwarmRetrieve(ctx, app) }),
	})
}

func runSwarmRetrieve(ctx context.Context, app *cli.App) error {
	a, router, err := app.OpenRouter(ctx, route.Options{})
	if err != nil {
		return err
	}
	seen := make(map[[sha256.Size]byte]bool)
	options := mailbox.RetrieveOptions{Truncated: render.PrintTruncated(app, a)}
	return router.Retrieve(ctx, options, func(page mailbox.Page) (fresh int, err error) {
		for _, stored := range page.Messages {
			name := sha256.Sum256([]byte(stored.Hash))
			if seen[name] {
				continue
			}
			seen[name] = true
			fresh++
			if err := app.Print(storedRecord(a, stored)); err != nil {
				return fresh, err
			}
		}
		return fresh, nil
	})
}

// storedRecord describes a stored message. Its timestamp is the envelope's own, where it can be read; the time to
// live is what follows from that and the expiration.
func storedRecord(a *account.Account, stored storage.Stored) record.Envelope {
	out := record.Envelope{
		Type: record.TypeEnvelope, To: a.ID().String(), DataBase64: stored.Data, MessageHash: stored.Hash,
		ExpirationMS: stored.Expiration,
	}
	if env, err := envelope.Unpack(stored.Data); err == nil {
		out.TimestampMS = int64(env.TimestampMS)
		out.TTLMillis = max(stored.Expiration-out.TimestampMS, 0)
	}
	return out
}
