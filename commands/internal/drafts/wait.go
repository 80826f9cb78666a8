package drafts

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/spf13/pflag"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/message"
	"sessiontool/lib/route"
)

// The values of --wait.
const (
	waitDelivered = "delivered"
	waitRead      = "read"
)

// waitFlag chooses what a send waits for, and collects the messages that it waits for.
type waitFlag struct {
	until string

	mu   sync.Mutex
	sent []route.Awaited
}

// AddWait defines the flag that makes a send wait for receipts of the recipients.
func (d *Flags) AddWait(flags *pflag.FlagSet) {
	flags.StringVar(&d.wait.until, "wait", "",
		"wait until each message is delivered or read, as far as its recipient says so: at most --timeout, or without end if that is 0")
}

func (w *waitFlag) check() error {
	if w.until != "" && w.until != waitDelivered && w.until != waitRead {
		return cli.UsageError(fmt.Errorf("--wait %q is neither delivered nor read", w.until))
	}
	return nil
}

// note adds a message that was sent, unless it has what is waited for: on the synchronous route the recipient has
// acknowledged it.
func (w *waitFlag) note(receipt account.Receipt) {
	if w.until == "" || w.until == waitDelivered && receipt.Route == message.RouteSync {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, route.Awaited{To: receipt.To, TimestampMS: receipt.TimestampMS})
}

// wait waits for the receipts, and prints a delivery record for each. The time of --timeout begins anew with it.
func (w *waitFlag) wait(ctx context.Context, app *cli.App, a *account.Account, router *route.Router) error {
	if len(w.sent) == 0 {
		return nil
	}
	app.Advance()
	left, err := router.AwaitReceipts(ctx, w.sent, w.until == waitRead, func(event inbox.Event) error {
		return render.PrintEvent(app, a, event, false)
	})
	if err != nil && len(left) > 0 && errors.Is(err, context.DeadlineExceeded) {
		return cli.Missing(cli.WithCode(err, fmt.Errorf("%d of %d messages have no receipt, the first one to %s", len(left),
			len(w.sent), left[0].To)))
	}
	return err
}
