// Package page shows a network of service nodes in a browser: the ring with its swarms and nodes, what each node holds
// and how it is, the messages that move between nodes, and the last ten minutes. [Serve] starts a [Page].
//
// The page is read-only without the control token of the network. It is served on a loopback address unless
// Options.Remote is set, and then every request needs the token. A request must name the address of the page as its
// host, so that no foreign name leads here, and a change must come from the page itself. The page loads nothing from
// other hosts, and its content security policy allows no inline script and no inline style.
//
// Nothing private is on it: neither keys of users nor contents of messages reach this package ([node.Event]). Messages
// are named by the beginning of their hash.
//
// The HTML is complete without a script: the ring and the tables are rendered here. The script moves what changes. All
// state is bounded: the number of clients and connections, requests a second, events of a frame, seconds and bytes of
// history, and messages that are followed.
package page

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"sessiontool/lib/devnet"
	"sessiontool/lib/devnet/meter"
	"sessiontool/lib/internal/atomicfile"
	"sessiontool/lib/internal/clients"
	"sessiontool/lib/node"
)

// Bounds of the server.
const (
	maxStreams         = 32
	maxConnections     = 256
	maxPerAddress      = 96
	maxHeaderBytes     = 8 << 10
	maxActionBytes     = 16 << 10
	requestRate        = 100 // a second from one address, twice as many at once
	readTimeout        = 10 * time.Second
	writeTimeout       = 10 * time.Second
	maxActionTime      = 5 * time.Minute
	frameInterval      = 200 * time.Millisecond
	inspectInterval    = time.Second
	idleInspect        = 5 * time.Second // without a client
	inspectShare       = 20              // an inspection takes at most one part in so many of the time
	historySeconds     = 600
	maxHistoryCells    = 256 << 10 // nodes times seconds
	maxMarks           = 200
	maxFollowed        = 128
	maxMessagesInFrame = 12
	shownHash          = 16
)

// ErrAddress reports an address that cannot be served, or that needs Options.Remote.
var ErrAddress = errors.New("address of the page")

// Source is the network to show. [devnet.Network] and [devnet.Running] are sources.
type Source interface {
	Inspect() (devnet.Inspection, error)
	Figures(i int) (meter.Figures, error)
	Observe(observe func(i int, e node.Event))
}

// Controls change the network. [devnet.Network] has them.
type Controls interface {
	SetFault(ctx context.Context, nodes []string, fault devnet.Fault) ([]devnet.NodeFault, error)
	ClearFaults(ctx context.Context, nodes []string, kinds ...devnet.FaultKind) ([]devnet.NodeFault, error)
	SetDifficulty(difficulty uint64) error
}

// Options configure a page. Address and Source are required.
type Options struct {
	Address  string // host and port; port 0 takes a free one
	Remote   bool   // allows an address that other machines can reach
	Token    string // authorizes changes, and with Remote every request
	Source   Source
	Controls Controls // nil: nothing can be changed
	Logger   *slog.Logger
}

// Page is a page that is served.
type Page struct {
	options   Options
	hosts     []string // allowed values of the header Host; nil for any
	collector *collector
	limiter   *clients.Limiter
	server    *http.Server
	url       string
	end       context.CancelFunc
	tasks     sync.WaitGroup
}

// Serve starts a page. The error may be ErrAddress.
func Serve(options Options) (*Page, error) {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	listener, err := listen(options)
	if err != nil {
		return nil, err
	}
	p := &Page{options: options, limiter: clients.NewLimiter(requestRate, 2*requestRate)}
	p.hosts, p.url = hostsOf(listener.Addr().(*net.TCPAddr), options.Remote), "http://"+listener.Addr().String()+"/"
	if p.collector, err = newCollector(options.Source, time.Now, options.Logger); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.end = cancel
	p.server = &http.Server{
		Handler: p.handler(), ReadHeaderTimeout: readTimeout, IdleTimeout: time.Minute, MaxHeaderBytes: maxHeaderBytes,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(options.Logger.Handler(), slog.LevelDebug),
	}
	p.tasks.Go(func() { p.collector.run(ctx) })
	p.tasks.Go(func() {
		limited := clients.NewListener(listener, maxConnections, maxPerAddress)
		if err := p.server.Serve(limited); !errors.Is(err, http.ErrServerClosed) {
			options.Logger.Error("page has stopped", "error", err)
		}
	})
	options.Source.Observe(p.collector.add)
	return p, nil
}

// NewToken makes a token and writes it to a file that its owner alone can read.
func NewToken(file string) (string, error) {
	var token [32]byte
	rand.Read(token[:]) // never fails
	text := hex.EncodeToString(token[:])
	return text, atomicfile.Write(file, []byte(text+"\n"), 0o600)
}

// listen opens the address. Host names other than localhost are refused, because they could mean any address.
func listen(options Options) (net.Listener, error) {
	host, _, err := net.SplitHostPort(options.Address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAddress, err)
	}
	address, err := netip.ParseAddr(host)
	switch {
	case host == "localhost":
	case err != nil:
		return nil, fmt.Errorf("%w: %q is no IP address", ErrAddress, host)
	case !address.IsLoopback() && !options.Remote:
		return nil, fmt.Errorf("%w: other machines can reach %s", ErrAddress, host)
	}
	if options.Remote && options.Token == "" {
		return nil, fmt.Errorf("%w: a page for other machines needs a token", ErrAddress)
	}
	listener, err := net.Listen("tcp", options.Address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAddress, err)
	}
	return listener, nil
}

// hostsOf returns the hosts under which a page on a loopback address is reached. A page for other machines has any name,
// because each of its requests needs the token.
func hostsOf(address *net.TCPAddr, remote bool) []string {
	if remote {
		return nil
	}
	port := fmt.Sprint(address.Port)
	return []string{net.JoinHostPort(address.IP.String(), port), net.JoinHostPort("localhost", port)}
}

// URL returns the address of the page. It does not contain the token.
func (p *Page) URL() string { return p.url }

// Close ends the page. It lets running changes finish until ctx ends. No goroutine is left.
func (p *Page) Close(ctx context.Context) error {
	p.options.Source.Observe(nil)
	p.collector.close() // ends the streams
	err := p.server.Shutdown(ctx)
	p.end()
	if err != nil {
		err = p.server.Close()
	}
	p.tasks.Wait()
	return err
}
