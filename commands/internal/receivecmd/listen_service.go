package receivecmd

import (
	"context"
	"fmt"
	"sync"
	"time"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/sdnotify"
)

// stuckAfter is how long no poll of a listen has ended when it counts as stuck: longer than a poll that asks one silent
// node after the other.
const stuckAfter = 10 * time.Minute

// service tells the service manager how a listen is.
type service struct {
	app      *cli.App
	notifier *sdnotify.Notifier
	figures  *figures
	busy     func() bool // reports whether the listen waits for its command
	ready    sync.Once
}

// openService connects to the service manager, if there is one.
func openService(app *cli.App, f *figures) (*service, error) {
	notifier, err := sdnotify.Open(app.Streams.Env)
	if err != nil {
		return nil, cli.UsageError(err)
	}
	return &service{app: app, notifier: notifier, figures: f, busy: func() bool { return false }}, nil
}

// tell logs the error of a notification: a manager that does not listen is no reason to stop.
func (s *service) tell(err error) {
	if err != nil {
		s.app.Log.Warn("cannot notify the service manager", "error", err)
	}
}

// up reports that the first poll is over.
func (s *service) up() { s.ready.Do(func() { s.tell(s.notifier.Ready()) }) }

// outage shows whether no node answers.
func (s *service) outage(since time.Time, over bool) {
	line := "listening"
	if !over {
		line = fmt.Sprint("no node answers since ", since.UTC().Format(time.RFC3339))
	}
	s.tell(s.notifier.Status(line))
}

// watch answers the watchdog until ctx ends, and then reports the stop. A listen that is stuck does not answer.
func (s *service) watch(ctx context.Context) {
	var tick <-chan time.Time
	if every := s.notifier.Watchdog(); every > 0 {
		ticker := time.NewTicker(every / 2)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-tick:
			if time.Since(s.figures.ticked()) < stuckAfter || s.busy() {
				s.tell(s.notifier.Working())
			}
		case <-ctx.Done():
			s.tell(s.notifier.Stopping())
			return
		}
	}
}
