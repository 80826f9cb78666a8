// Package receivecmd has the commands that print what an account receives, and that acknowledge it: poll, listen, ack.
package receivecmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/pflag"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/devnet/meter"
	"sessiontool/lib/route"
)

// ackFlags choose what acknowledges a record, and whether its sender learns of that.
type ackFlags struct {
	ack          string
	readReceipts bool
}

func (a *ackFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&a.ack, "ack", "printed",
		"what acknowledges a record: printed, or explicit for the command ack; until then it comes again")
	flags.BoolVar(&a.readReceipts, "send-read-receipts", false,
		"send read receipts to friends for the texts that are acknowledged")
}

func (a *ackFlags) check() error {
	switch {
	case a.ack != "printed" && a.ack != "explicit":
		return cli.UsageError(fmt.Errorf("--ack %q is neither printed nor explicit", a.ack))
	case a.explicit() && a.readReceipts:
		return cli.UsageError(errors.New("with --ack explicit, read receipts are for 'ack --send-read-receipts'"))
	}
	return nil
}

func (a *ackFlags) explicit() bool { return a.ack == "explicit" }

// printer returns what prints events. With explicit they are not marked as delivered.
func printer(app *cli.App, a *account.Account, explicit bool) route.Deliver {
	return func(event inbox.Event) error {
		err := render.PrintEvent(app, a, event, false)
		if err == nil && explicit && event.Seq != 0 && !event.SetAside {
			return route.ErrLater
		}
		return err
	}
}

// serveMetrics serves figures at an address, unless that is empty. It returns what ends that.
func serveMetrics(address string, f *figures, log *slog.Logger) (end func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	served, err := meter.Serve(address, f, log)
	if err != nil {
		return nil, cli.UsageError(fmt.Errorf("--metrics: %w", err))
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := served.Close(ctx); err != nil {
			log.Warn("ending the metrics endpoint", "error", err)
		}
	}, nil
}
