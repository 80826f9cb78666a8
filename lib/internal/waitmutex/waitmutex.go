// Package waitmutex has a mutual exclusion lock for holders that wait for the network.
//
// A goroutine that waits for a [sync.Mutex] keeps the clock of testing/synctest from advancing. If the holder of the
// mutex waits for that clock, both wait for ever. A goroutine that waits for a [Mutex] waits on a channel, and so lets
// the clock advance. Locks that are held only for some computation are better a [sync.Mutex], which is faster.
package waitmutex

import "sync"

// Mutex is a mutual exclusion lock. The zero value is unlocked.
type Mutex struct {
	made sync.Once
	held chan struct{} // has room for one: the holder
}

// Lock waits until no other goroutine holds the lock, and takes it.
func (m *Mutex) Lock() {
	m.made.Do(func() { m.held = make(chan struct{}, 1) })
	m.held <- struct{}{}
}

// Unlock releases the lock. It panics if no goroutine holds it.
func (m *Mutex) Unlock() {
	select {
	case <-m.held:
	default:
		panic("waitmutex: unlock of an unlocked mutex")
	}
}
