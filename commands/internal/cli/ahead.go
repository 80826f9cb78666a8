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

// outcome is what a task came to, with what an error record says of its item.
type outcome struct {
	result any
	err    error
	where  record.Error
}

// FilterAhead is filter for work that keeps processors busy: prepare is called for one item after the other, and up to
// ahead of the tasks that it returns run at one time. Their records are printed in the order of the items, and each as
// soon as it can be.
func FilterAhead[T any](ctx context.Context, app *App, ahead int, prepare func(T) (Task, error)) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	begun := make(chan (<-chan outcome), ahead-1) // one more is with printOutcomes
	printed := make(chan error)
	go func() { printed <- printOutcomes(app, begun, stop) }()
	err := eachItem(app, func(item T, where record.Error, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var do Task
		if err == nil {
			do, err = prepare(item)
		}
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
			app.progress()
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
func printOutcomes(app *App, begun <-chan (<-chan outcome), stop func(error)) (failure error) {
	for end := range begun {
		o := <-end
		if failure != nil {
			continue
		}
		if o.err == nil {
			o.err = printThen(app, o.result)
		}
		if failure = app.settle(o.err, o.where); failure != nil {
			stop(failure)
		}
	}
	return failure
}

// Do is FilterAhead for one item that does not come from stdin.
func Do(ctx context.Context, app *App, prepare func() (Task, error)) error {
	do, err := prepare()
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
