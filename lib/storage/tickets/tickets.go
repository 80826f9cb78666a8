// Package tickets keeps the TLS sessions of a client with its nodes between runs, so that the next process resumes them:
// with TLS 1.2 a handshake is a round trip shorter, and with both versions the server signs nothing.
//
// It promises that a ticket is used by one later process at most, from the local address at which it was issued, to the
// address and port of the server that issued it, and for [MaxAge] at most. Tickets are secrets of their sessions: the
// file is for its owner alone, and bounded. It is a cache: nothing fails because it is lost, damaged or cannot be
// written.
package tickets

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"sessiontool/lib/internal/regular"
)

const (
	// MaxAge is how long a ticket may be used after it was issued.
	MaxAge = time.Hour
	// maxStored bounds the tickets in the file. A client has three guards.
	maxStored = 8
	// maxHeld bounds the sessions in memory. Servers of 2020 serve one request per connection.
	maxHeld = 64
)

// Cache are the sessions of one client. It is safe for concurrent use.
type Cache struct {
	path string // empty: nothing is stored
	now  func() time.Time

	mu       sync.Mutex
	loaded   bool
	sessions map[string]session // by the server's address
}

// session is what resumes a session.
type session struct {
	state  *tls.ClientSessionState
	local  string // IP address of this machine
	at     time.Time
	stored bool // by an earlier process
}

// stored is a session in the file. Ticket is what the server gets, and State what this client needs.
type stored struct {
	Server string    `json:"server"`
	Local  string    `json:"local"`
	At     time.Time `json:"at"`
	Ticket []byte    `json:"ticket"`
	State  []byte    `json:"state"`
}

// New returns the cache with the file at path. With an empty path it keeps sessions in memory alone. It reads the file
// when a session is asked for.
func New(path string, now func() time.Time) *Cache {
	return &Cache{path: path, now: now, sessions: make(map[string]session)}
}

// For returns the cache for a connection.
func (c *Cache) For(conn net.Conn) tls.ClientSessionCache {
	return &server{cache: c, address: conn.RemoteAddr().String(), local: host(conn.LocalAddr())}
}

// host is an address without its port.
func host(address net.Addr) string {
	text := address.String()
	if ip, _, err := net.SplitHostPort(text); err == nil {
		return ip
	}
	return text
}

// server is the part of a cache for one server. The key that crypto/tls passes lacks the port.
type server struct {
	cache          *Cache
	address, local string
}

// Get implements [tls.ClientSessionCache].
func (s *server) Get(string) (*tls.ClientSessionState, bool) {
	c := s.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	c.load()
	held, found := c.sessions[s.address]
	if !found || held.local != s.local || !c.young(held.at) {
		return nil, false
	}
	return held.state, true
}

// Put implements [tls.ClientSessionCache].
func (s *server) Put(_ string, state *tls.ClientSessionState) {
	c := s.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	c.load()
	if state == nil {
		delete(c.sessions, s.address)
		return
	}
	if _, held := c.sessions[s.address]; !held && len(c.sessions) >= maxHeld {
		delete(c.sessions, c.oldest())
	}
	c.sessions[s.address] = session{state: state, local: s.local, at: c.now()}
}

// oldest returns the server of the oldest session.
func (c *Cache) oldest() (address string) {
	for other, held := range c.sessions {
		if address == "" || held.at.Before(c.sessions[address].at) {
			address = other
		}
	}
	return address
}

// young reports whether a ticket may be used that was issued at some time.
func (c *Cache) young(at time.Time) bool {
	age := c.now().Sub(at)
	return age >= 0 && age < MaxAge
}

// load reads the file once, and removes it: what it has is for this process.
func (c *Cache) load() {
	if c.loaded || c.path == "" {
		return
	}
	c.loaded = true
	for _, one := range c.read() {
		state, err := tls.ParseSessionState(one.State)
		if err != nil || !c.young(one.At) {
			continue
		}
		resumption, err := tls.NewResumptionState(one.Ticket, state)
		if err == nil {
			c.sessions[one.Server] = session{state: resumption, local: one.Local, at: one.At, stored: true}
		}
	}
	os.Remove(c.path) // if it cannot be removed, a ticket may be used twice
}

// read returns at most maxStored sessions of the file.
func (c *Cache) read() (list []stored) {
	data, err := regular.Read(c.path)
	if err != nil || json.Unmarshal(data, &list) != nil {
		return nil
	}
	return list[:min(len(list), maxStored)]
}

// Save stores the youngest sessions that servers have given this process, beside those of processes that ended
// meanwhile.
func (c *Cache) Save() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.path == "" {
		return nil
	}
	var list []stored
	for address, held := range c.sessions {
		one, err := held.store(address)
		if err == nil && !held.stored && c.young(held.at) {
			list = append(list, one)
		}
	}
	if len(list) == 0 {
		return nil
	}
	for _, one := range c.read() {
		if c.young(one.At) && !slices.ContainsFunc(list, func(other stored) bool { return other.Server == one.Server }) {
			list = append(list, one)
		}
	}
	slices.SortFunc(list, func(a, b stored) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Server, b.Server)) })
	data, err := json.Marshal(list[:min(len(list), maxStored)])
	if err != nil {
		return err
	}
	return replace(c.path, data)
}

// store returns the form of a session in the file.
func (s session) store(address string) (stored, error) {
	ticket, state, err := s.state.ResumptionState()
	if err != nil || state == nil {
		return stored{}, cmp.Or(err, errors.New("the session cannot be resumed"))
	}
	encoded, err := state.Bytes()
	return stored{Server: address, Local: s.local, At: s.at.UTC(), Ticket: ticket, State: encoded}, err
}

// replace makes data the content of a file that only its owner can read. It does not sync: a crash may cost the tickets,
// and a sync would cost more time than they save.
func replace(path string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
