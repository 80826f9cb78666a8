package receivecmd

import (
	"context"
	"errors"
	"runtime/debug"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
)

// pollOptions are the flags of poll.
type pollOptions struct {
	route.PollOptions
	types cli.Types
	ackFlags
}

// NewPoll makes the command poll.
func NewPoll(app *cli.App) *cobra.Command {
	opts := &pollOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "poll",
		Short: "Print what is new: messages, friend requests, receipts",
		Long: "Fetch what waits for the account and print it, then exit. It equals 'swarm retrieve | envelope\n" +
			"open', with three things more: it asks only for what came since the last poll, it answers what needs\n" +
			"an answer (a session that was accepted), and it sends what waits in the outbox.\n\n" +
			"What is new is printed when all of it is there: the messages of each sender in the order in which\n" +
			"they were sent, by the count of their session or by the time that the sender signed, and the senders\n" +
			"mixed by time. Members of the swarm list messages in the order in which they got them, which 'swarm\n" +
			"retrieve | envelope open' keeps.\n\n" +
			"A message counts as delivered only when its line is written. If the command is killed, the next poll\n" +
			"prints what had not been printed, and at most 64 records again. Each of those has an attempt of 2 or\n" +
			"more: compare its id with those that you have. With --max-attempts 3, a record that was printed three\n" +
			"times before the command or its reader died is set aside: a set_aside record takes its place, once, and\n" +
			"'inbox --undelivered' prints it.\n\n" +
			"A message of a known sender that cannot be opened is printed\n" +
			"once, as an error record: one of a friend, or of a contact that the account has written to. Of all\n" +
			"others, one unopenable record a poll says how many there were, and why. Any stranger can send those.\n\n" +
			"After more than 96 hours without a poll, or 14 days if all contacts use session-v1, a gap record says\n" +
			"that messages may have expired unseen. A truncated record names a node that had more new messages than\n" +
			"the others and was not read to its end; the next poll continues there.\n\n" +
			"What is no text has a record of its own: session_reset, reaction, typing, extraction (a screenshot\n" +
			"or a saved file), phone_call, timer_change, unsend, and unknown for what this version cannot name.\n" +
			"What another device of the account sent is a message whose direction is out. What an older version\n" +
			"could not open is tried again.\n\n" +
			"The first message of a stranger, in protocol session-v1, is printed as a friend_request record\n" +
			"and as a message, both with the same id, which count as one. Of a stranger whose request waits, at\n" +
			"most 8 requests and texts are kept and printed, and nothing else is. At most 256 requests and 4 MiB\n" +
			"of strangers wait for an answer; the oldest make room for newer ones, and a requests_dropped record\n" +
			"says how many did. Files that come with a message are not fetched: its notice says so.\n\n" +
			"With --ack explicit, a printed record counts as delivered only when 'ack' has its id: until then each\n" +
			"poll prints it again, with the next attempt, whatever happened to its reader. For readers that commit\n" +
			"by themselves.\n\n" +
			"With --send-read-receipts, friends learn that their texts were printed; without it nothing is sent.\n\n" +
			"With --only and --skip, records of other types count as printed: a later poll does not print them, and\n" +
			"'inbox' has them. Records that say that something is missing go to stderr then, as with --select.\n\n" +
			"With --count it ends after so many records, those that --select passes over among them, those of\n" +
			"types that are not printed not among them. The next\n" +
			"poll has the rest, and the counts of what was not kept. With 'poll | head -n 1' it is not so: what\n" +
			"head throws away was printed.\n\n" +
			"Nothing is printed if nothing is new.",
		Examples: []string{
			"sessiontool poll",
			"sessiontool poll --select text",
			"sessiontool poll --count 1",
			"sessiontool poll --ack explicit --select id | xargs -r sessiontool ack",
			"sessiontool poll --only message,friend_request --select text",
		},
		Prints: render.Arrivals(record.TypeSetAside, record.TypeTruncated, record.TypeUnopenable, record.TypeDropped,
			record.TypeTrace),
		Needs:    cli.Account | cli.Network,
		Exits:    cli.Exits{record.ExitPartial: "some messages cannot be opened, or were not read or kept", record.ExitClock: ""},
		Delivers: true,
	})
	cmd.RunE = app.Run(func(ctx context.Context, _ []string) error {
		if err := opts.types.Use(app, cmd); err != nil {
			return err
		}
		if err := opts.ackFlags.check(); err != nil {
			return err
		}
		return runPoll(ctx, app, opts)
	})
	cmd.Flags().IntVar(&opts.Count, "count", 0, "end after so many records (default all)")
	addAttemptsFlag(cmd.Flags(), &opts.MaxAttempts)
	app.AddTraceFlag(cmd.Flags())
	opts.types.Add(cmd.Flags())
	opts.ackFlags.add(cmd.Flags())
	return cmd
}

// addAttemptsFlag adds the flag of the commands that deliver messages.
func addAttemptsFlag(flags *pflag.FlagSet, attempts *int) {
	flags.IntVar(attempts, "max-attempts", 0, "set a record aside after it was printed so often in vain (default never)")
}

// pollMemory is what a poll of thousands of messages tries to do with, in bytes: most of what it uses is garbage of
// pages.
const pollMemory = 40 << 20

func runPoll(ctx context.Context, app *cli.App, opts *pollOptions) error {
	if opts.Count < 0 || opts.MaxAttempts < 0 {
		return cli.UsageError(errors.New("--count and --max-attempts must not be negative"))
	}
	if app.Streams.UntilSignal != nil { // in a process of its own
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(pollMemory))
	}
	a, router, err := app.OpenRouter(ctx, route.Options{})
	if err != nil {
		return err
	}
	opts.Skip = render.Skip(app.Chosen())
	opts.Truncated = render.PrintTruncated(app, a)
	if opts.readReceipts {
		opts.Delivered = a.SendRead
	}
	return router.Poll(ctx, opts.PollOptions, printer(app, a, opts.explicit()))
}
