package commands

import (
	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/account"
	"sessiontool/lib/record"
)

func newOutboxCommand(app *cli.App) *cobra.Command {
	return cli.Parent("outbox", "List, cancel and send the messages that wait in the outbox",
		"A message that could not be sent waits in the outbox. Every send, poll and listen sends what waits there.",
		newOutboxListCommand(app),
		newOutboxCancelCommand(app),
		newOutboxFlushCommand(app),
	)
}

// The states of entries in records.
const (
	entryWaiting   = "waiting"
	entryInFlight  = "in_flight"
	entryCancelled = "cancelled"
)

func queuedRecord(out account.Outgoing, state string) record.Queued {
	waiting := record.Queued{
		Type: record.TypeQueued, Entry: out.Seq, Kind: string(out.Kind), To: out.To.String(), State: state,
		ID: out.DraftID, Ref: out.Ref, TimestampMS: out.TimestampMS, TTLMillis: out.TTLMillis,
		QueuedAt: record.Time(out.QueuedAt),
	}
	if at, ends := out.Expires(); ends {
		waiting.ExpiresAt = record.Time(at)
	}
	return waiting
}
