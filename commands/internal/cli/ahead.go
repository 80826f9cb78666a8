package cli

import (
	"context"
	"sync"

	"sessiontool/commands/internal/inflight"
	"sessiontool/commands/internal/progress"
	"sessiontool/lib/record"
)

// Task is work on one item that may run at the same time as the work on others. It returns the record to print, or one
// with what is to be done when it is printed.
type Task func(ctx context.Context) (any, error)

// Printed is a record with what is to be done once it is printed. Print, if set, prints it.
type Printed struct {
	Record any
	Print  func() error
	Then   func() error
}

// Part is one of the things that an item asks for, such as a text for one of its recipients. An error record in its
// place has To and Ref, where they are set.
type Part struct {
	To, Ref string
	Prepare func() (Task, error)
}

// outcome is what a task came to, with what an error record says of its item.
type outcome struct {
	result any
	err    error
	where  record.Error
}

// Ahead is how many tasks run at one time, and how many are prepared before they run.
type Ahead struct {
	Running  int
	Prepared int
	// Waiting tasks wait for others, such as nodes far away: one that takes much longer than others lets one more run.
	Waiting bool
}

// Processors is the Ahead of work that keeps processors busy.
func Processors(running int) Ahead { return Ahead{Running: running} }

const (
	// aheadOf is how many times as many items of a batch are prepared, or wait for their turn to be printed, as run.
	aheadOf = 21
	// lateOf is how many times as many tasks may be late, and slowOf the same where that is known beforehand.
	lateOf = 4
	slowOf = 11
)

// Parallel is the Ahead of work that waits for the network, as --parallel says.
func (app *App) Parallel() Ahead {
	return Ahead{Running: app.parallel, Prepared: aheadOf * app.parallel, Waiting: true}
}

// FilterAhead is [Filter] for work that takes its time: prepare is called for one item after the other, and several of
// the tasks that it returns run at one time. Their records are printed in the order of the items, and each as soon as
// it can be.
func FilterAhead[T any](ctx context.Context, app *App, ahead Ahead, prepare func(T) (Task, error)) error {
	return FilterParts(ctx, app, ahead, func(item T) ([]Part, error) {
		return []Part{{Prepare: func() (Task, error) { return prepare(item) }}}, nil
	})
}

// FilterParts is [FilterAhead] for items that ask for several things: there is one record for each part.
func FilterParts[T any](ctx context.Context, app *App, ahead Ahead, split func(T) ([]Part, error)) error {
	meter := app.countBatch(0)
	defer meter.End()
	return runAhead(ctx, app, ahead, meter, func(handle func(Part, record.Error) error) error {
		return eachItemRead(app, meter.Take, func(item T, where record.Error, err error) error {
			var parts []Part
			if err == nil {
				parts, err = split(item)
			}
			if err != nil {
				parts = []Part{{To: where.To, Prepare: func() (Task, error) { return nil, err }}}
			}
			return eachPart(parts, where, handle)
		})
	})
}

// DoParts is [FilterParts] for parts that do not come from stdin. If there is only one, its error is the error of the
// command.
func DoParts(ctx context.Context, app *App, ahead Ahead, parts []Part) error {
	if len(parts) == 1 {
		return doOne(ctx, app, parts[0])
	}
	meter := app.countBatch(len(parts))
	defer meter.End()
	return runAhead(ctx, app, ahead, meter, func(handle func(Part, record.Error) error) error {
		return eachPart(parts, record.Error{}, handle)
	})
}

// eachPart calls handle for each part, with the fields of an error record about it.
func eachPart(parts []Part, where record.Error, handle func(Part, record.Error) error) error {
	for _, part := range parts {
		if part.To != "" {
			where.To = part.To
		}
		if part.Ref != "" {
			where.Ref = part.Ref
		}
		if err := handle(part, where); err != nil {
			return err
		}
	}
	return nil
}

// runAhead prepares the parts of source in order, runs some of their tasks at one time, and prints.
func runAhead(ctx context.Context, app *App, ahead Ahead, meter *progress.Batch,
	source func(func(Part, record.Error) error) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	room := max(ahead.Prepared, ahead.Running)
	begun := make(chan (<-chan outcome), room-1) // one more is with printOutcomes
	printed := make(chan error)
	go func() { printed <- printOutcomes(app, meter, begun, stop) }()
	launched := make(chan launch, room) // never full: begun is before
	var launches sync.WaitGroup
	launches.Go(func() { launchAll(ctx, app, ahead, launched) })
	err := source(func(part Part, where record.Error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		do, err := part.Prepare()
		end := make(chan outcome, 1)
		select {
		case begun <- end:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err != nil {
			end <- outcome{err: err, where: where}
			return nil
		}
		launched <- launch{do, where, end}
		return nil
	})
	close(launched)
	launches.Wait()
	close(begun)
	if failure := <-printed; failure != nil {
		return failure
	}
	return err
}

// launch is a prepared task.
type launch struct {
	do    Task
	where record.Error
	end   chan<- outcome
}

// launchAll runs tasks in their order. A task whose context has ended runs too, since its item may need it.
func launchAll(ctx context.Context, app *App, ahead Ahead, launched <-chan launch) {
	late, slow := 0, 0
	if ahead.Waiting {
		late, slow = min(ahead.Prepared, lateOf*ahead.Running), min(ahead.Prepared, slowOf*ahead.Running)
	}
	tasks := inflight.New(ahead.Running, late, slow)
	for next := range launched {
		tasks.Go(next.where.To, func() {
			result, err := next.do(ctx)
			app.Advance()
			next.end <- outcome{result, err, next.where}
		})
	}
}

// printOutcomes prints until one fails in a way that ends the command. Then it calls stop and waits for the others.
func printOutcomes(app *App, meter *progress.Batch, begun <-chan (<-chan outcome), stop func(error)) (failure error) {
	for end := range begun {
		o := <-end
		if failure != nil {
			continue
		}
		if o.err == nil {
			o.err = printThen(app, o.result)
		}
		failure = app.Settle(o.err, o.where)
		meter.Finish(o.err)
		if failure != nil {
			stop(failure)
		}
	}
	return failure
}

// doOne does a part whose error is the error of the command.
func doOne(ctx context.Context, app *App, part Part) error {
	do, err := part.Prepare()
	if err != nil {
		return err
	}
	result, err := do(ctx)
	if err != nil {
		return err
	}
	return printThen(app, result)
}

// printThen prints a record, and does what is to be done then.
func printThen(app *App, result any) error {
	printed, ok := result.(Printed)
	if !ok {
		return app.Print(result)
	}
	print := printed.Print
	if print == nil {
		print = func() error { return app.Print(printed.Record) }
	}
	if err := print(); err != nil {
		return err
	}
	return printed.Then()
}
