package inflight

import (
	"sync"
	"sync/atomic"
)

// Later does what follows the printing of a record without holding up the next record, so that much of it can be one
// commit. The zero value is ready to use.
type Later struct {
	work   sync.WaitGroup
	failed atomic.Pointer[error]
}

// Do begins work. It returns the error of earlier work that has failed.
func (l *Later) Do(work func() error) error {
	l.work.Go(func() {
		if err := work(); err != nil {
			l.failed.CompareAndSwap(nil, &err)
		}
	})
	return l.failure()
}

// Wait waits for the end of all work, and returns the first error.
func (l *Later) Wait() error {
	l.work.Wait()
	return l.failure()
}

func (l *Later) failure() error {
	if err := l.failed.Load(); err != nil {
		return *err
	}
	return nil
}
