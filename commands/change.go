package commands

import (
	"context"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
	"sessiontool/lib/rpc"
)

// changeFunc changes stored messages, named by their hashes.
type changeFunc func(ctx context.Context, router *route.Router, hashes []string) (record.Change, error)

func newDeleteCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:   "delete [HASH...]",
		Short: "Delete stored messages of the account, on today's network",
		Long: "Remove messages from the account's own swarm, by their hashes. What was received stays in the inbox.\n\n" +
			"Hashes are strings, or records with a message_hash. For every 100 of them one record tells what each member of\n" +
			"the swarm has signed to have done. Nodes of 2020 cannot do that.",
		Examples: []string{"export SESSIONTOOL_NETWORK=phones.json; sessiontool swarm retrieve | sessiontool swarm delete"},
		Reads:    []string{record.TypeEnvelope, record.TypeMessage},
		Prints:   []string{record.TypeChange},
		Exits: cli.RouteExits().With(cli.Exits{
			record.ExitUsage:   "not a hash",
			record.ExitPartial: "",
			record.ExitRefused: "the network is of 2020",
			record.ExitClock:   "",
		}),
		Run: app.Run(func(ctx context.Context, args []string) error {
			return changeMessages(ctx, app, args, func(ctx context.Context, router *route.Router, hashes []string) (record.Change, error) {
				return router.Delete(ctx, hashes)
			})
		}),
	})
}

func newExpireCommand(app *cli.App) *cobra.Command {
	var ttl time.Duration
	cmd := app.Command(cli.Spec{
		Use:   "expire --ttl TIME [HASH...]",
		Short: "Change how long stored messages of the account are kept, on today's network",
		Long: "Make messages in the account's own swarm expire --ttl from now: earlier or later than they would, but not\n" +
			"later than in 30 days.\n\n" +
			"Hashes are strings, or records with a message_hash. For every 100 of them one record tells what each member of\n" +
			"the swarm has signed to have done. Nodes of 2020 cannot do that.",
		Examples: []string{"export SESSIONTOOL_NETWORK=phones.json; sessiontool swarm retrieve | sessiontool swarm expire --ttl 720h"},
		Reads:    []string{record.TypeEnvelope, record.TypeMessage},
		Prints:   []string{record.TypeChange},
		Exits: cli.RouteExits().With(cli.Exits{
			record.ExitUsage:   "not a hash, or a bad --ttl",
			record.ExitPartial: "",
			record.ExitRefused: "the network is of 2020",
			record.ExitClock:   "",
		}),
		Run: app.Run(func(ctx context.Context, args []string) error {
			if ttl <= 0 || ttl > rpc.MaxPrivateTTL {
				return cli.UsageError(fmt.Errorf("--ttl %v is not within 1ms and %v", ttl, rpc.MaxPrivateTTL))
			}
			return changeMessages(ctx, app, args, func(ctx context.Context, router *route.Router, hashes []string) (record.Change, error) {
				return router.Expire(ctx, hashes, ttl)
			})
		}),
	})
	cmd.Flags().DurationVar(&ttl, "ttl", 0, "how long from now, at most 720h")
	return cmd
}

// changeMessages changes the messages that args or, if there are none, the items of stdin name.
func changeMessages(ctx context.Context, app *cli.App, args []string, change changeFunc) error {
	hashes, err := namedHashes(app, args)
	if err != nil || len(hashes) == 0 {
		return err
	}
	_, router, err := app.OpenRouter(ctx, route.Options{})
	if err != nil {
		return err
	}
	for some := range slices.Chunk(hashes, route.MaxChange) {
		out, err := change(ctx, router, some)
		if err != nil {
			return err
		}
		if err := app.Print(out); err != nil {
			return err
		}
	}
	return nil
}

// isMessageHash reports whether nodes may call a message so: today's in base64, those of 2020 in hex. Whether it can be
// changed is theirs to say.
func isMessageHash(name string) bool {
	const hexDigits, letters = "0123456789abcdef", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	switch len(name) {
	case 2 * sha512.Size:
		return strings.TrimLeft(name, hexDigits) == ""
	case rpc.HashTextLength:
		return strings.TrimLeft(name, letters) == ""
	}
	return false
}

// namedHashes collects hashes, each once.
func namedHashes(app *cli.App, args []string) (hashes []string, err error) {
	taken := make(map[hashName]bool)
	take := func(name hashName) error {
		if !isMessageHash(string(name)) {
			return fmt.Errorf("%w: %.200q is not a message hash", cli.ErrBadInput, string(name))
		}
		if !taken[name] {
			taken[name] = true
			hashes = append(hashes, string(name))
		}
		return nil
	}
	if len(args) == 0 || len(args) == 1 && args[0] == "-" {
		err := cli.Filter(app, take)
		return hashes, err
	}
	for _, arg := range args {
		if err := take(hashName(arg)); err != nil {
			return nil, err
		}
	}
	return hashes, nil
}

// hashName is an item of input that names a stored message: a string, or a record with a message_hash.
type hashName string

// UnmarshalJSON reads either form.
func (n *hashName) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, (*string)(n)) == nil {
		return nil
	}
	var named struct {
		MessageHash string `json:"message_hash"`
	}
	if err := json.Unmarshal(data, &named); err != nil {
		return err
	}
	if named.MessageHash == "" {
		return errors.New("it has no message_hash")
	}
	*n = hashName(named.MessageHash)
	return nil
}
