package waitmutex

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The clock of synctest advances while one goroutine holds the lock and another one waits for it.
func TestClockAdvances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mutex Mutex
		var goroutines sync.WaitGroup
		started, held := time.Now(), 0
		for range 3 {
			goroutines.Go(func() {
				mutex.Lock()
				defer mutex.Unlock()
				if held++; held != 1 {
					t.Error("two goroutines hold the lock")
				}
				<-time.After(time.Hour)
				held--
			})
		}
		goroutines.Wait()
		if took := time.Since(started); took != 3*time.Hour {
			t.Errorf("three holders took %v", took)
		}
	})
}

func TestUnlockOfUnlocked(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	new(Mutex).Unlock()
}
