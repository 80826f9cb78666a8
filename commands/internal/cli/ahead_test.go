package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidwall/gjson"

	"sessiontool/lib/record"
)

// pipeline is an app that reads input and keeps what it prints.
func pipeline(input io.Reader) (*App, *bytes.Buffer) {
	var out bytes.Buffer
	return New(Streams{In: input, Out: &out, Err: io.Discard}), &out
}

// Tasks run at one time, no more than are allowed, and end in any order: their records come in the order of the items,
// as do the errors of items that cannot be read, cannot be prepared or fail.
func TestFilterAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ahead = 4
		app, out := pipeline(strings.NewReader(`0 1 "two" 3 4 5 6 7 8 9 10 11`))
		var turns [12]chan struct{}
		for i := range turns {
			turns[i] = make(chan struct{})
		}
		var running atomic.Int32
		ended := make(chan error)
		go func() {
			ended <- FilterAhead(t.Context(), app, Processors(ahead), func(n int) (Task, error) {
				if n == 3 {
					return nil, fmt.Errorf("%w: three", ErrBadInput)
				}
				return func(context.Context) (any, error) {
					running.Add(1)
					defer running.Add(-1)
					<-turns[n]
					if n == 5 {
						return nil, fmt.Errorf("%w: five", ErrBadInput)
					}
					return n, nil
				}, nil
			})
		}()
		synctest.Wait()
		if got := running.Load(); got != 2 { // items 0 to 3 are begun, of which two are errors
			t.Errorf("%d tasks run at one time", got)
		}
		close(turns[1])
		synctest.Wait()
		if out.Len() > 0 {
			t.Errorf("printed before the first: %s", out)
		}
		close(turns[0])
		synctest.Wait()
		if got := running.Load(); got != ahead {
			t.Errorf("%d tasks run at one time", got)
		}
		for i := 11; i > 3; i-- {
			close(turns[i])
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		var got []string
		for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
			got = append(got, gjson.Get(line, "code").Str+strings.TrimLeft(line, "{"))
		}
		for i, line := range got {
			if strings.HasPrefix(line, string(record.CodeBadInput)) {
				got[i] = "error"
			}
		}
		want := strings.Fields("0 1 error error 4 error 6 7 8 9 10 11")
		if !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
	})
}

// A failure that concerns all items ends the command: nothing that follows it is printed, and nothing more is begun.
func TestFilterAheadFatal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, out := pipeline(strings.NewReader("0 1 2 3 4 5 6 7 8 9"))
		begun := 0
		err := FilterAhead(t.Context(), app, Processors(3), func(n int) (Task, error) {
			begun++
			return func(ctx context.Context) (any, error) {
				if n == 1 {
					return nil, ErrNoNetwork
				}
				if n > 1 {
					<-ctx.Done()
				}
				return n, nil
			}, nil
		})
		if !errors.Is(err, ErrNoNetwork) || out.String() != "0\n" || begun > 5 {
			t.Errorf("got %v, printed %q, began %d", err, out, begun)
		}
	})
}

// A task that takes much longer than others gives its place to the next one; its record keeps its place in the output.
// As many are late as may be prepared, and then no more run.
func TestLateTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, out := pipeline(strings.NewReader("0 1 2 3 4 5 6 7 8 9 10 11"))
		var running, most atomic.Int32
		late := map[int]bool{2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true}
		ahead := Ahead{Running: 2, Prepared: 6, Waiting: true}
		started := time.Now()
		err := FilterAhead(t.Context(), app, ahead, func(n int) (Task, error) {
			return func(context.Context) (any, error) {
				defer running.Add(-1)
				if now := running.Add(1); now > most.Load() {
					most.Store(now)
				}
				if time.Sleep(100 * time.Millisecond); late[n] {
					time.Sleep(10 * time.Second)
				}
				return n, nil
			}, nil
		})
		if err != nil {
			t.Error(err)
		}
		if got := strings.Fields(out.String()); !slices.Equal(got, strings.Fields("0 1 2 3 4 5 6 7 8 9 10 11")) {
			t.Errorf("printed is %q", got)
		}
		if most.Load() != 6 {
			t.Errorf("%d tasks ran at one time, want 6", most.Load())
		}
		if took := time.Since(started); took > 25*time.Second { // two rounds instead of four
			t.Errorf("it took %v", took)
		}
	})
}
