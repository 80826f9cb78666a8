package receivecmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/record"
)

type ackOptions struct {
	ids          []string // none for those of stdin
	readReceipts bool
}

// errNoRecord reports an ID that no received record has.
var errNoRecord = inbox.ErrNoEvent

// NewAck makes the command ack.
func NewAck(app *cli.App) *cobra.Command {
	opts := &ackOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "ack [ID...]",
		Short: "Acknowledge records that were printed with --ack explicit",
		Long: "Mark received records as delivered, named by their id: poll and listen do not print them again. That is\n" +
			"the second half of 'poll --ack explicit', for a reader that stores what it read first. A record that\n" +
			"was set aside is acknowledged, too. An id that was acknowledged before is no error (already).\n\n" +
			"Several IDs are one transaction of the keystore. Without an ID they are read from stdin, one by one:\n" +
			"strings, or records with an id.",
		Examples: []string{
			"sessiontool poll --ack explicit > new && sessiontool ack < new",
			"sessiontool poll --ack explicit --select id | xargs -r sessiontool ack",
		},
		Reads:  []string{record.TypeMessage, record.TypeFriendRequest},
		Prints: []string{record.TypeAcked},
		Needs:  cli.Account,
		Exits:  cli.Exits{record.ExitNotFound: "no such record"},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.ids = args
			return runAck(ctx, app, opts)
		}),
	})
	cmd.Flags().BoolVar(&opts.readReceipts, "send-read-receipts", false,
		"send read receipts to friends for texts among them; the next send, poll or listen sends them")
	return cmd
}

// recordName is an item of input that names a record: a string, or a record with an id.
type recordName string

// UnmarshalJSON reads either form.
func (n *recordName) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, (*string)(n)) == nil {
		return nil
	}
	var named struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(data, &named); err != nil {
		return err
	}
	if named.ID == "" {
		return errors.New("it has no id")
	}
	*n = recordName(named.ID)
	return nil
}

func runAck(ctx context.Context, app *cli.App, opts *ackOptions) error {
	var a *account.Account
	acknowledge := func(ids []string) (done []inbox.Acknowledged, err error) {
		if a == nil {
			if a, err = app.OpenAccount(ctx); err != nil {
				return nil, err
			}
		}
		return a.Acknowledge(ctx, ids, opts.readReceipts)
	}
	result := func(one inbox.Acknowledged) error {
		if !one.Found {
			return fmt.Errorf("%w: %s", errNoRecord, one.ID)
		}
		return app.Print(record.Acked{Type: record.TypeAcked, Account: a.Name(), ID: one.ID, Already: one.Already})
	}
	if len(opts.ids) == 0 || len(opts.ids) == 1 && opts.ids[0] == "-" {
		return cli.Filter(app, func(name recordName) error {
			done, err := acknowledge([]string{string(name)})
			if err != nil {
				return err
			}
			return result(done[0])
		})
	}
	done, err := acknowledge(opts.ids)
	if err != nil {
		return err
	}
	if len(done) == 1 {
		return result(done[0])
	}
	for _, one := range done {
		if err := app.Settle(result(one), record.Error{Ref: one.ID}); err != nil {
			return err
		}
	}
	return nil
}
