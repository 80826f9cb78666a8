//go:build unix

package simulation

import (
	"context"
	"fmt"
	"time"
)

// rearrange changes which nodes there are and which swarms they form.
func (w *world) rearrange(o op) {
	m := w.nodes[o.Who]
	if !m.listed {
		return // it has left before
	}
	switch o.Kind {
	case kindMove:
		w.move(m)
	case kindJoin:
		w.join(m.swarm, "")
	case kindLeave, kindReplace:
		w.leave(m, o)
	case kindSplit:
		w.split(m.swarm, o.ID)
	case kindMerge:
		for _, other := range w.nodes {
			other.swarm = m.swarm
		}
	}
	w.changed.Store(true)
	w.listNodes()
}

// membersOf returns the members of a swarm by its number.
func (w *world) membersOf(swarm uint64) (members []*machine) {
	for _, m := range w.nodes {
		if m.listed && m.swarm == swarm {
			members = append(members, m)
		}
	}
	return members
}

// move puts a node into the other swarm, if that leaves enough members.
func (w *world) move(m *machine) {
	if w.schedule.Swarms < 2 || len(w.membersOf(m.swarm)) <= 2 {
		return
	}
	m.swarm ^= 1 << 62
	w.logf("node %d moves to swarm %x", m.index, m.swarm)
}

// join starts a node that was not there before, at an address of its own unless ip is given.
func (w *world) join(swarm uint64, ip string) (joined bool) {
	for _, m := range w.nodes[w.schedule.Nodes:] {
		if m.listed || m.epoch > 0 {
			continue
		}
		m.swarm, m.listed = swarm, true
		if ip != "" {
			m.ip = ip
		}
		m.revive(w.background())
		w.logf("node %d joins swarm %x", m.index, swarm)
		w.count("joins", 1)
		return true
	}
	return false
}

// leave takes a node out of the list, if enough members are left. It goes on serving for a while, unless another node
// replaces it.
func (w *world) leave(m *machine, o op) {
	listed := 0
	for _, other := range w.nodes {
		if other.listed {
			listed++
		}
	}
	// An onion path needs four nodes, whichever of the others is away.
	if len(w.membersOf(m.swarm)) <= 3 || listed <= 5 && o.Kind == kindLeave || m.hostile != nil {
		return
	}
	m.listed = false
	w.logf("node %d leaves", m.index)
	w.count("leaves", 1)
	stop := func() {
		if err := m.stop(context.Background()); err != nil && !m.life.isDead() {
			w.model.fail("nodes stop", "node %d: %v", m.index, err)
		}
	}
	if o.Kind == kindReplace {
		stop()
		if joined := w.join(m.swarm, m.ip); !joined {
			m.listed = true // there is none
			m.revive(w.background())
		}
		return
	}
	w.later.Go(func() {
		timer := time.NewTimer(o.For)
		defer timer.Stop()
		select {
		case <-timer.C:
			stop()
		case <-w.over: // it stops with the others at the end
		}
	})
}

// split makes a swarm of half the members of another.
func (w *world) split(swarm uint64, id int) {
	members := w.membersOf(swarm)
	if len(members) < 4 || w.lies() {
		return
	}
	w.logf("swarm %x is split", swarm)
	w.count("splits", 1)
	for i, m := range members {
		if i%2 == 1 {
			m.swarm = 3<<60 + uint64(id)<<40
		}
	}
}

// address gives a node another address.
func (w *world) address(m *machine, id int) {
	m.ip = fmt.Sprintf("10.%d.%d.1", m.index+1, id+1)
	w.logf("node %d is at %s", m.index, m.ip)
	w.listNodes()
}

// misdate gives a node a wrong clock for a while, unless another one has such a clock: clients believe most of the nodes
// that they ask.
func (w *world) misdate(m *machine, o op) {
	for _, other := range w.nodes {
		if other.skew.Load() != 0 {
			return
		}
	}
	m.skew.Store(int64(o.For))
	m.wrong.Store(true)
	w.count("clocks of nodes wrong", 1)
	w.after(time.Duration(o.N)*time.Second, func() { m.skew.Store(0) })
}
