package receivecmd

import (
	"context"
	"errors"
	"os"
	"slices"

	"github.com/spf13/pflag"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/hook"
	"sessiontool/commands/internal/render"
	"sessiontool/commands/internal/sdnotify"
	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
)

// execFlags are the flags of a listen that runs a command for each record.
type execFlags struct {
	command    string
	jobs       int
	tries      int
	deadLetter string
}

func (e *execFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&e.command, "exec", "", "run this shell command for each record, which is a line on its stdin")
	flags.IntVar(&e.jobs, "jobs", 1, "with --exec: how many commands run at one time, for different senders")
	flags.IntVar(&e.tries, "tries", hook.DefaultTries,
		"with --exec: give a record up after so many runs without exit code 0; 0 tries for ever")
	flags.StringVar(&e.deadLetter, "dead-letter", "", "with --exec: append records that are given up to this file, which is made at the start")
}

func (e *execFlags) check(changed func(string) bool) error {
	switch {
	case e.command == "" && slices.ContainsFunc([]string{"jobs", "tries", "dead-letter"}, changed):
		return cli.UsageError(errors.New("--jobs, --tries and --dead-letter need --exec"))
	case e.jobs < 1, e.tries < 0:
		return cli.UsageError(errors.New("--jobs must be 1 or more, and --tries not negative"))
	case e.deadLetter != "":
		return hook.CheckDeadLetters(e.deadLetter)
	}
	return nil
}

// executor passes events to a command.
type executor struct {
	app     *cli.App
	account *account.Account
	figures *figures
	runner  *hook.Runner
	after   func(ctx context.Context, events []inbox.Event) error // as route.ListenOptions.Delivered; may be nil
}

// newExecutor makes an executor whose commands stop when ctx ends.
func newExecutor(ctx context.Context, app *cli.App, a *account.Account, flags execFlags, f *figures) *executor {
	e := &executor{app: app, account: a, figures: f}
	e.runner = hook.New(ctx, hook.Options{
		Command: flags.command, Jobs: flags.jobs, Tries: flags.tries, DeadLetter: flags.deadLetter,
		Env: sdnotify.Without(os.Environ()), Output: app.Streams.Err, Report: e.report,
	})
	f.queue = func() int {
		queued, _ := e.runner.Queued()
		return queued
	}
	return e
}

// report prints the result of a run.
func (e *executor) report(result hook.Result) error {
	e.figures.ran(result)
	return e.app.Print(record.Hook{
		Type: record.TypeHook, Account: e.account.Name(), ID: result.Work.ID, Kind: result.Kind, From: result.Work.Sender,
		Attempt: result.Attempt, Outcome: string(result.Outcome), CommandExitCode: result.ExitCode,
		Millis: result.Took.Milliseconds(), RetryInMS: result.Pause.Milliseconds(),
	})
}

// deliver hands an event to the command. What has no record of its own is printed.
func (e *executor) deliver(ctx context.Context, event inbox.Event) error {
	if event.SetAside || event.Kind == inbox.EventStrangers {
		return render.PrintEvent(e.app, e.account, event, false)
	}
	work := hook.Work{ID: event.ID}
	if !event.From.IsZero() {
		work.Sender = event.From.String()
	}
	for _, one := range render.EventRecords(e.account, event) {
		if !e.app.Chosen().Shows(one.Kind) {
			continue
		}
		line, err := e.app.Encode(one.Record)
		if err != nil {
			return err
		}
		work.Records = append(work.Records, hook.Record{Kind: one.Kind, Line: line})
	}
	if len(work.Records) == 0 {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	work.Done = func(accepted bool) error {
		event.SetAside = !accepted
		if err := e.account.MarkDelivered(ctx, event); err != nil || e.after == nil {
			return err
		}
		return e.after(ctx, []inbox.Event{event})
	}
	work.Left = func(started bool) error {
		if started {
			return nil // the command may have seen it, so that the attempt counts
		}
		return e.account.EndDelivery(ctx, nil, []inbox.Event{event})
	}
	if err := e.runner.Submit(work); err != nil {
		return err
	}
	return route.ErrLater
}
