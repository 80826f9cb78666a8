package node

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"

	"sessiontool/lib/storage"
)

const (
	// burstSeconds is the burst divided by the rate: 600 requests at 300 a second.
	burstSeconds = 2
	// maxConnections bounds open client connections, maxAddressConnections those from one address.
	maxConnections        = 4096
	maxAddressConnections = 1024
	// smallBody is the size up to which the node reads a body without one of the maxLargeBodies slots. A full-size
	// message in a three-hop onion of version 1 stays below it.
	smallBody      = 512 << 10
	maxLargeBodies = 16
)

// slots is a semaphore.
type slots chan struct{}

// acquire waits for a slot. It returns false if ctx ends first; otherwise the caller must release.
func (s slots) acquire(ctx context.Context) bool {
	select {
	case s <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s slots) release() { <-s }

// errBodyTooLarge reports a request over storage.MaxBodyBytes.
var errBodyTooLarge = errors.New("request body too large")

// readBody reads a request body of up to storage.MaxBodyBytes. A large body needs a slot. A body counts as large when
// more than smallBody of it has arrived, so that a client cannot take a slot by announcing a size. The caller must call
// done when it no longer needs the body, also after an error.
func (s slots) readBody(w http.ResponseWriter, r *http.Request) (body []byte, done func(), err error) {
	done = func() {}
	if r.ContentLength > storage.MaxBodyBytes {
		return nil, done, errBodyTooLarge
	}
	reader := http.MaxBytesReader(w, r.Body, storage.MaxBodyBytes)
	if 0 <= r.ContentLength && r.ContentLength <= smallBody {
		body = make([]byte, r.ContentLength)
		_, err = io.ReadFull(reader, body)
		return body, done, err
	}
	var read bytes.Buffer
	switch _, err = io.CopyN(&read, reader, smallBody+1); {
	case errors.Is(err, io.EOF): // all of a body whose size was not announced
		return read.Bytes(), done, nil
	case err != nil:
		return nil, done, err
	case !s.acquire(r.Context()):
		return nil, done, r.Context().Err()
	}
	done = s.release
	_, err = read.ReadFrom(reader)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		err = errBodyTooLarge
	}
	return read.Bytes(), done, err
}
