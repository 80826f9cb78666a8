package cli

import (
	"context"

	"sessiontool/lib/record"
)

// Task is work on one item that may run at the same time as the work on others. It returns the record to print, or one
// with what is to be done when it is printed.
type Task func(ctx context.Context) (any, error)

// Printed is a record with what is to be done once it is printed.
type Printed struct {
	Record any
	Then   func() error
}

// Part is one of the things that an item asks for, such as a text for one of its recipients. An error record in its
// place has To.
type Part struct {
	To      string
	Prepare func() (Task, error)
}

// outcome is what a task came to, with what an error record says of its item.
type outcome struct {
	result any
	err    error
	where  record.Error
}

// FilterAhead is [Filter] for work that keeps processors busy: prepare is called for one item after the other, and up
// to ahead of the tasks that it returns run at one time. Their records are printed in the order of the items, and each
// as soon as it can be.
func FilterAhead[T any](ctx context.Context, app *App, ahead int, prepare func(T) (Task, error)) error {
	return FilterParts(ctx, app, ahead, func(item T) ([]Part, error) {
		return []Part{{Prepare: func() (Task, error) { return prepare(item) }}}, nil
	})
}

// FilterParts is [FilterAhead] for items that ask for several things: there is one record for each part.
func FilterParts[T any](ctx context.Context, app *App, ahead int, split func(T) ([]Part, error)) error {
	meter := app.meterBatch(0)
	defer meter.end()
	return runAhead(ctx, app, ahead, meter, func(handle func(Part, record.Error) error) error {
		return eachItemRead(app, meter.take, func(item T, where record.Error, err error) error {
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
func DoParts(ctx context.Context, app *App, ahead int, parts []Part) error {
	if len(parts) == 1 {
		return doOne(ctx, app, parts[0])
	}
	meter := app.meterBatch(len(parts))
	defer meter.end()
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
		if err := handle(part, where); err != nil {
			return err
		}
	}
	return nil
}

// runAhead prepares the parts of source in order, runs up to ahead of their tasks at one time, and prints.
func runAhead(ctx context.Context, app *App, ahead int, meter *batchMeter,
	source func(func(Part, record.Error) error) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	begun := make(chan (<-chan outcome), ahead-1) // one more is with printOutcomes
	printed := make(chan error)
	go func() { printed <- printOutcomes(app, meter, begun, stop) }()
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
		go func() {
			result, err := do(ctx)
			app.Advance()
			end <- outcome{result, err, where}
		}()
		return nil
	})
	close(begun)
	if failure := <-printed; failure != nil {
		return failure
	}
	return err
}

// printOutcomes prints until one fails in a way that ends the command. Then it calls stop and waits for the others.
func printOutcomes(app *App, meter *batchMeter, begun <-chan (<-chan outcome), stop func(error)) (failure error) {
	for end := range begun {
		o := <-end
		if failure != nil {
			continue
		}
		if o.err == nil {
			o.err = printThen(app, o.result)
		}
		failure = app.Settle(o.err, o.where)
		meter.finish(o.err)
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
	if err := app.Print(printed.Record); err != nil {
		return err
	}
	return printed.Then()
}
