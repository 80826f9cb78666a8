package drafts

import (
	"context"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/account"
	"sessiontool/lib/network"
	"sessiontool/lib/pow"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
	"sessiontool/lib/storage"
)

// DryRun prints for each draft what sending it would do. It asks no node and writes nothing, neither to the keystore nor
// to what is remembered of the network. What only the network knows, such as a changed difficulty, it cannot say.
func DryRun(ctx context.Context, app *cli.App, drafts *Flags, options route.Options) error {
	app.WriteNothing()
	var a *account.Account
	var client *network.Client
	return drafts.Each(ctx, app, func(draft account.Draft) (_ any, err error) {
		if client == nil {
			if client, err = app.OpenNetwork(); err != nil {
				return nil, err
			}
		}
		if a == nil {
			if a, err = app.OpenAccount(ctx); err != nil {
				return nil, err
			}
		}
		draft.Network = client.KnownGeneration()
		rehearsal, err := a.Rehearse(ctx, draft)
		if err != nil {
			return nil, err
		}
		out := render.DryRun(a, rehearsal)
		out.Difficulty, out.Network = client.Difficulty(), string(draft.Network)
		out.TextBytes, out.ID, out.Ref = len(draft.Text), draft.ID, draft.Ref
		if options.OnlyAsync {
			out.Route = record.RouteAsync
		}
		if draft.Network == storage.Generation28 || rehearsal.Repeated {
			out.Difficulty = 0
		} else {
			out.ExpectedHashes = hashes(rehearsal.Message, out.Difficulty)
		}
		return out, nil
	})
}

// hashes returns the expected cost of the proof of work of a message that is stored.
func hashes(out account.Outgoing, difficulty int64) uint64 {
	request := route.StoreRequest{To: out.To, Data: out.Data, StampMS: out.TimestampMS, TTLMillis: out.TTLMillis}
	return pow.Expected(request.Message().PayloadLen(), uint64(out.TTLMillis), uint64(difficulty))
}
