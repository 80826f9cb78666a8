//go:build unix

package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"sessiontool/lib/node"
	"sessiontool/lib/node/store"
)

// deaf is a listener without connections: requests go straight to the node's handler.
type deaf struct {
	closed chan struct{}
	once   sync.Once
}

func (d *deaf) Accept() (net.Conn, error) {
	<-d.closed
	return nil, net.ErrClosed
}

func (d *deaf) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
}

func (d *deaf) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 22021} }

// start starts a node. Its folder must be free.
func (m *machine) start(ctx context.Context) error {
	m.mu.Lock()
	epoch := m.epoch + 1
	lived := &life{machine: m, epoch: epoch}
	m.life = lived
	m.mu.Unlock()
	started, err := node.Start(ctx, node.Config{
		DataDir: m.dir, Listener: &deaf{closed: make(chan struct{})}, Directory: &m.world.list,
		Peers: &peerTransport{m.world, m, epoch}, AllowUnsigned: true,
		PollInterval: 5*time.Second + time.Duration(m.index)*7919*time.Microsecond,
		Disk: func(name string, raw store.File) store.File {
			return &storeFile{file{raw, name, lived, m.disk}, raw}
		},
		Now: m.now, Rand: &random{source: m.world.chacha(fmt.Sprint("node ", m.index, " ", epoch))},
	})
	if err != nil {
		return fmt.Errorf("node %d: %w", m.index, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.node, m.epoch, m.kill = started, epoch, kill{}
	return nil
}

// running returns the node and its epoch; nil while it does not run.
func (m *machine) running() (*node.Node, int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.node, m.epoch
}

// end takes the node away from the network and returns it; nil if it did not run.
func (m *machine) end() *node.Node {
	m.mu.Lock()
	defer m.mu.Unlock()
	ended := m.node
	if ended != nil {
		m.node, m.ended = nil, make(chan struct{})
		m.epoch++
	}
	return ended
}

// stop stops a node in order.
func (m *machine) stop(ctx context.Context) error {
	ended := m.end()
	if ended == nil {
		return nil
	}
	m.world.logf("node %d stops", m.index)
	m.serving.Wait()
	defer close(m.ended)
	err := ended.Close(ctx)
	if m.disk.faulty() {
		return nil // it says so, and starts again from what is synced
	}
	return err
}

// crash kills a node. If the power fails, its disk loses what was not synced.
func (m *machine) crash(ctx context.Context) {
	ended := m.end()
	if ended == nil {
		return
	}
	m.life.dead.Store(true)
	m.mu.Lock()
	k := m.kill
	m.mu.Unlock()
	m.world.logf("node %d is killed, power %v", m.index, k.Power)
	m.world.count("node kills", 1)
	if k.Power {
		m.world.count("node power failures", 1)
		if err := m.disk.losePower(rand.New(rand.NewPCG(k.Tear, 4))); err != nil {
			m.world.model.fail("harness", "losing power: %v", err)
		}
	}
	m.world.later.Go(func() {
		defer close(m.ended)
		m.serving.Wait()
		_ = ended.Close(ctx) // everything that it does fails
	})
}

// revive starts a node again that does not run, unless it has left the network.
func (m *machine) revive(ctx context.Context) {
	if running, _ := m.running(); running != nil || !m.listed {
		return
	}
	m.mu.Lock()
	ended := m.ended
	m.mu.Unlock()
	if ended != nil { // it has run before
		<-ended
	}
	m.disk.set("") // a node with a full disk does not start: its operator makes room
	if err := m.start(ctx); err != nil {
		m.world.model.fail("node starts", "%v", err)
		return
	}
	m.world.logf("node %d is back", m.index)
	if m.world.now().Sub(m.world.provedAt) > late {
		m.learnProof()
	}
	m.world.after(learns, m.learnProof)
}

// learns is how long a node that was away goes on with the difficulty of before.
const learns = 20 * time.Second

// late is how long after a change no node goes on with the difficulty of before: others take its messages for a quarter
// of an hour.
const late = 10 * time.Minute

// learnProof gives a node the difficulty that all are to ask for.
func (m *machine) learnProof() {
	running, _ := m.running()
	if running == nil || m.world.proof == 0 {
		return
	}
	if err := running.SetDifficulty(uint64(m.world.proof)); err != nil {
		m.world.logf("node %d keeps its difficulty: %v", m.index, err)
	}
}
