// Package fakeproxy has the two kinds of proxies that clients know, for tests: SOCKS 5 (RFC 1928) without
// authentication, and HTTP with CONNECT.
package fakeproxy

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
)

// Proxy is a running proxy.
type Proxy struct {
	listener net.Listener
	serve    func(net.Conn) (target net.Conn, err error)
	work     sync.WaitGroup
	made     atomic.Int64

	mu    sync.Mutex
	open  map[net.Conn]bool
	named []string
}

// SOCKS serves SOCKS 5 on a listener.
func SOCKS(listener net.Listener) *Proxy { return start(listener, (*Proxy).socks) }

// HTTP serves CONNECT, and nothing else, on a listener.
func HTTP(listener net.Listener) *Proxy { return start(listener, (*Proxy).connect) }

// Refuser answers each request of a client with this HTTP status, and at once what is not HTTP.
func Refuser(listener net.Listener, status int) *Proxy {
	return start(listener, func(_ *Proxy, client net.Conn) (net.Conn, error) {
		reader := bufio.NewReader(client)
		if first, err := reader.Peek(1); err != nil {
			return nil, err
		} else if first[0] != version {
			if _, err := http.ReadRequest(reader); err != nil {
				return nil, err
			}
		}
		_, err := fmt.Fprintf(client, "HTTP/1.1 %d %s\r\nContent-Length: 0\r\n\r\n", status, http.StatusText(status))
		return nil, errors.Join(err, io.EOF)
	})
}

func start(listener net.Listener, serve func(*Proxy, net.Conn) (net.Conn, error)) *Proxy {
	p := &Proxy{listener: listener, open: make(map[net.Conn]bool)}
	p.serve = func(client net.Conn) (net.Conn, error) { return serve(p, client) }
	p.work.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			if !p.hold(client) {
				return
			}
			p.work.Go(func() { p.carry(client) })
		}
	})
	return p
}

// Made returns how many connections to servers the proxy has made.
func (p *Proxy) Made() int { return int(p.made.Load()) }

// Named returns the hosts that clients have named instead of giving an address.
func (p *Proxy) Named() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.named...)
}

// Stop closes the listener and all connections. Later calls do nothing.
func (p *Proxy) Stop() {
	p.mu.Lock()
	_ = p.listener.Close() // a second time after an earlier Stop
	for conn := range p.open {
		conn.Close()
	}
	p.open = nil
	p.mu.Unlock()
	p.work.Wait()
}

// hold keeps a connection for Stop. It closes it if the proxy has stopped.
func (p *Proxy) hold(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		conn.Close()
		return false
	}
	p.open[conn] = true
	return true
}

func (p *Proxy) drop(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, conn)
	conn.Close()
}

// carry serves one client until either side hangs up.
func (p *Proxy) carry(client net.Conn) {
	defer p.drop(client)
	target, err := p.serve(client)
	if err != nil || !p.hold(target) {
		return
	}
	defer p.drop(target)
	p.work.Go(func() {
		defer p.drop(client)
		_, _ = io.Copy(client, target) // either side's end ends both
	})
	_, _ = io.Copy(target, client)
}

func (p *Proxy) dial(host string, port int) (net.Conn, error) {
	if net.ParseIP(host) == nil {
		p.mu.Lock()
		p.named = append(p.named, host)
		p.mu.Unlock()
	}
	var dialer net.Dialer
	target, err := dialer.DialContext(context.Background(), "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err == nil {
		p.made.Add(1)
	}
	return target, err
}

func (p *Proxy) connect(client net.Conn) (net.Conn, error) {
	request, err := http.ReadRequest(bufio.NewReaderSize(client, 1<<12))
	if err != nil {
		return nil, err
	}
	status := "200 Connection established"
	target, err := net.Conn(nil), errors.New("not CONNECT")
	if request.Method == http.MethodConnect {
		host, portText, _ := net.SplitHostPort(request.Host)
		port, _ := strconv.Atoi(portText)
		if target, err = p.dial(host, port); err != nil {
			status = "502 Bad Gateway"
		}
	} else {
		status = "405 Method Not Allowed"
	}
	if _, writeErr := fmt.Fprintf(client, "HTTP/1.1 %s\r\n\r\n", status); writeErr != nil && err == nil {
		target.Close()
		return nil, writeErr
	}
	return target, err
}

// The values of RFC 1928 that this proxy knows.
const (
	version     = 5
	commandOpen = 1
	addressIP4  = 1
	addressName = 3
	addressIP6  = 4

	replyDone    = 0
	replyRefused = 5
)

var errRequest = errors.New("not a request that this proxy knows")

func (p *Proxy) socks(client net.Conn) (net.Conn, error) {
	read := func(n int) ([]byte, error) {
		b := make([]byte, n)
		_, err := io.ReadFull(client, b)
		return b, err
	}
	greeting, err := read(2)
	if err != nil {
		return nil, err
	}
	if greeting[0] != version {
		return nil, errRequest
	}
	if _, err := read(int(greeting[1])); err != nil {
		return nil, err
	}
	if _, err := client.Write([]byte{version, 0}); err != nil {
		return nil, err
	}
	request, err := read(4)
	if err != nil {
		return nil, err
	}
	if request[1] != commandOpen {
		return nil, errRequest
	}
	length := []byte{0}
	switch request[3] {
	case addressIP4:
		length[0] = net.IPv4len
	case addressIP6:
		length[0] = net.IPv6len
	case addressName:
		if length, err = read(1); err != nil {
			return nil, err
		}
	default:
		return nil, errRequest
	}
	address, err := read(int(length[0]) + 2)
	if err != nil {
		return nil, err
	}
	host := string(address[:length[0]])
	if request[3] != addressName {
		host = net.IP(address[:length[0]]).String()
	}
	target, err := p.dial(host, int(binary.BigEndian.Uint16(address[length[0]:])))
	reply := byte(replyDone)
	if err != nil {
		reply = replyRefused
	}
	_, writeErr := client.Write([]byte{version, reply, 0, addressIP4, 0, 0, 0, 0, 0, 0})
	if writeErr != nil && err == nil {
		target.Close()
		return nil, writeErr
	}
	return target, err
}
