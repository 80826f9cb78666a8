// Package tracecmd contains the commands that show how messages travel: trace, which follows one message, and swarm
// watch, which looks at the members of a swarm again and again.
package tracecmd

import (
	"context"
	"crypto/sha512"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/picture"
	"sessiontool/commands/internal/tracefiles"
	"sessiontool/lib/account"
	"sessiontool/lib/record"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/trace"
)

type traceOptions struct {
	names   []string
	svg     string
	otlp    string
	offline bool
}

// New makes the command trace.
func New(app *cli.App) *cobra.Command {
	opts := &traceOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "trace [ID|HASH...]",
		Short: "Follow a message from the sealed draft to the opened text, and see where it stopped",
		Long: "Print what is known of a message: sealed, committed, solved, its onion paths, stored, replicated,\n" +
			"fetched and opened, which of these failed or is missing (stopped_at), and why. The message is named by\n" +
			"its message_hash, by the id of its record, or by the trace_id of a trace; in the journal also by the\n" +
			"first 8 characters of these or more, if no other begins with them.\n\n" +
			"What this machine did comes from the journal of traces, which --trace-journal keeps, best as\n" +
			"'trace_journal' in the config file. Whether the message was replicated comes from the members of the\n" +
			"account's own swarm, which are asked now, as 'swarm check' does: only the recipient may ask them. So\n" +
			"the recipient learns where a message is that never arrived, also without a journal.\n\n" +
			"Detours are requests that needed more than their first onion path: which hop was at fault, what was\n" +
			"tried next, and what it cost.\n\n" +
			"Without a name it prints the messages and polls of the journal, the oldest first, without spans.\n\n" +
			"The journal has times, hashes of messages, keys of service nodes and the paths between them. It has no\n" +
			"text, no Session ID and no address of this machine. It is sealed with a key of the keystore, has at\n" +
			"most 2 MiB, and shows 14 days: see docs/tracing.md.",
		Examples: []string{
			"sessiontool trace",
			"sessiontool trace $HASH --select why",
			"sessiontool trace $HASH --svg way.svg --otlp way.json",
		},
		Prints: []string{record.TypeTrace},
		Needs:  cli.Account | cli.Network,
		Exits:  cli.Exits{record.ExitNotFound: "no such message, keystore, account or network"},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.names = args
			return runTrace(ctx, app, opts)
		}),
	})
	cmd.Flags().StringVar(&opts.svg, "svg", "", "draw the way and a timeline of its spans into this file")
	cmd.Flags().StringVar(&opts.otlp, "otlp", "", "write the spans as OpenTelemetry JSON into this file")
	cmd.Flags().BoolVar(&opts.offline, "offline", false, "do not ask the members of the swarm")
	return cmd
}

func runTrace(ctx context.Context, app *cli.App, opts *traceOptions) error {
	if opts.svg == "-" || opts.otlp == "-" {
		return cli.UsageError(errors.New("--svg and --otlp have to be files: stdout carries records only"))
	}
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	journal, damaged, err := app.Journal()
	if err != nil {
		return err
	}
	if damaged > 0 {
		app.Log.Warn("the journal of traces is damaged", "entries", damaged)
	}
	if len(opts.names) == 0 {
		return listTraces(app, journal, opts)
	}
	f := &follower{app: app, account: a, journal: journal, offline: opts.offline}
	var found []trace.Trace
	var last trace.Way
	for _, name := range opts.names {
		traces, way, err := f.follow(ctx, name)
		if err != nil {
			return err
		}
		if err := app.Print(tracefiles.Record(joined(traces), way, true)); err != nil {
			return err
		}
		found, last = append(found, traces...), way
	}
	if len(opts.names) > 1 {
		last = trace.Way{}
	}
	return writePictures(opts, app.Version, found, last)
}

// listTraces prints the traces of the journal.
func listTraces(app *cli.App, journal []trace.Trace, opts *traceOptions) error {
	for _, t := range journal {
		way := trace.WayOf("", []trace.Trace{t}, nil, "the members were not asked")
		if err := app.Print(tracefiles.Record(t, way, false)); err != nil {
			return err
		}
	}
	return writePictures(opts, app.Version, journal, trace.Way{})
}

func writePictures(opts *traceOptions, version string, traces []trace.Trace, way trace.Way) error {
	if opts.svg != "" {
		if err := os.WriteFile(opts.svg, picture.Timeline(traces, way), 0o600); err != nil {
			return err
		}
	}
	if opts.otlp == "" {
		return nil
	}
	document, err := trace.OTLP(traces, version)
	if err != nil {
		return err
	}
	return os.WriteFile(opts.otlp, document, 0o600)
}

// joined returns the spans of several traces as one, for a record: the sender's and the recipient's part of a way. The
// record has the name of the first.
func joined(traces []trace.Trace) (out trace.Trace) {
	for i, t := range traces {
		if i == 0 {
			out.ID = t.ID
		}
		out.Spans, out.Dropped = append(out.Spans, t.Spans...), out.Dropped+t.Dropped
	}
	return out
}

// follower finds messages in the journal and at the members of the account's swarm.
type follower struct {
	app     *cli.App
	account *account.Account
	journal []trace.Trace
	offline bool
	asked   bool
	check   mailbox.SwarmCheck // once asked
	askedAt time.Time
	failure error // of the check
}

// isHash reports whether a name has the form of a message's hash of storage RPC 2.0 or 2.8.
func isHash(name string) bool {
	const digits, letters = "0123456789abcdef", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	switch len(name) {
	case 2 * sha512.Size:
		return strings.Trim(name, digits) == ""
	case rpc28.HashTextLength:
		return strings.Trim(name, letters) == ""
	}
	return false
}

// follow returns what is known of the message with a name.
func (f *follower) follow(ctx context.Context, name string) ([]trace.Trace, trace.Way, error) {
	name, err := f.whole(name)
	if err != nil {
		return nil, trace.Way{}, err
	}
	hash := f.hashOf(name)
	var traces []trace.Trace
	for _, t := range f.journal {
		if t.ID.String() == name || t.Mentions(hash) {
			traces = append(traces, t)
		}
	}
	if hash == "" && len(traces) == 0 {
		return nil, trace.Way{}, noTrace(name)
	}
	if hash == "" { // a trace of no message, or of one without a hash
		return traces, trace.WayOf("", traces, nil, "the message has no hash: no member can be asked for it"), nil
	}
	members, why := f.members(ctx, hash, trace.WayOf(hash, traces, nil, ""))
	if ctx.Err() != nil {
		return nil, trace.Way{}, context.Cause(ctx)
	}
	way := trace.WayOf(hash, traces, members, why)
	if len(traces) == 0 && !held(members) {
		return nil, way, cli.WithCode(cli.ErrNoTrace, fmt.Errorf("there is no trace of %.16q... in the journal, and %s",
			name, why))
	}
	return traces, way, nil
}

func held(members []trace.Member) bool {
	for _, m := range members {
		if m.Holds {
			return true
		}
	}
	return false
}

// hashOf returns the hash of the message that a name means, or nothing.
func (f *follower) hashOf(name string) string {
	if isHash(name) {
		return name
	}
	for _, t := range f.journal {
		if t.ID.String() == name {
			if hash := trace.WayOf("", []trace.Trace{t}, nil, "").Hash; hash != "" {
				return hash
			}
		}
		for _, span := range t.Spans {
			for _, event := range span.Events {
				if event.Name == trace.EventMessage && event.Attr("id") == name {
					return event.Attr(trace.KeyHash)
				}
			}
		}
	}
	return ""
}

// members asks the members of the account's swarm which of them have a message. It returns nil, and why, if that says
// nothing of the message: the sender has stored it in another swarm, or no member answers.
func (f *follower) members(ctx context.Context, hash string, way trace.Way) ([]trace.Member, string) {
	if f.offline {
		return nil, "the members were not asked, because of --offline"
	}
	if !f.asked {
		f.asked = true
		client, err := f.app.OpenNetwork()
		if err == nil {
			f.check, err = mailbox.NewChecker(f.account, client).Check(ctx, f.account.ID())
		}
		f.askedAt, f.failure = f.app.Now(), err
	}
	if f.failure != nil {
		return nil, "the members could not be asked: " + f.failure.Error()
	}
	var members []trace.Member
	for _, m := range f.check.Members {
		_, holds := m.Held[hash]
		one := trace.Member{
			Node: m.Node.Ed25519.String(), Address: m.Node.Address, Holds: holds, Reachable: m.Reachable(), AskedAt: f.askedAt,
		}
		if m.Err != nil && !holds {
			one.Error = m.Err.Error()
		}
		members = append(members, one)
	}
	if !held(members) && !way.Arrived && sent(way) {
		return nil, "no member of this account's swarm has it; the members of the recipient's swarm answer its recipient alone"
	}
	if !held(members) && len(way.Stages) > 0 && !sent(way) && !way.Arrived {
		return members, "no member of the account's swarm has it"
	}
	return members, ""
}

// sent reports whether the journal has the sender's trace.
func sent(way trace.Way) bool {
	for _, stage := range way.Stages {
		if stage.Name == trace.StageSealed {
			return stage.State == trace.Done
		}
	}
	return false
}

// Ways returns the onion paths by which a message was sent, or was fetched if only that is known, for a picture of the swarms. The journal of traces
// has to know the message: else the error is [cli.ErrNoTrace].
func Ways(ctx context.Context, app *cli.App, name string) (ways []picture.RingWay, err error) {
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return nil, err
	}
	journal, _, err := app.Journal()
	if err != nil {
		return nil, err
	}
	f := &follower{app: app, account: a, journal: journal, offline: true}
	traces, _, err := f.follow(ctx, name)
	if err != nil {
		return nil, err
	}
	var carriers []picture.RingWay // of the message itself
	for _, t := range traces {
		for _, span := range t.Find(trace.SpanAttempt) {
			way, method := wayOfAttempt(t, span)
			if len(way.Hops) == 0 {
				continue
			}
			ways = append(ways, way)
			if method == "store" || method == "sequence" || method == "deliver" {
				carriers = append(carriers, way)
			}
		}
	}
	if len(carriers) > 0 {
		ways = carriers
	}
	return ways[:min(len(ways), maxWays)], nil
}

// maxWays bounds the paths of a picture.
const maxWays = 24

// wayOfAttempt returns the path of an attempt, without hops if it had none, and the method of its request.
func wayOfAttempt(t trace.Trace, attempt trace.Span) (way picture.RingWay, method string) {
	for _, key := range []string{"guard", "relay_1", "relay_2", "target"} {
		hop := attempt.Attr(key)
		if hop == "" {
			return picture.RingWay{}, ""
		}
		way.Hops = append(way.Hops, hop)
	}
	for _, span := range t.Spans {
		if span.ID == attempt.Parent {
			method = span.Attr(trace.KeyMethod)
		}
	}
	way.Note = method + ", "
	way.Failed = attempt.State != trace.StateOK
	if way.Failed {
		way.Note += attempt.Error
	} else {
		way.Note += "answer after " + attempt.Took().Round(time.Millisecond).String()
	}
	return way, method
}
