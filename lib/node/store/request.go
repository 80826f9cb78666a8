package store

import (
	"bytes"
	"context"
	"crypto/sha256"

	"sessiontool/lib/node/store/kv"
)

// MaxRequest bounds an owner's request that replicas exchange, in bytes. A request with 20 000 hashes fits.
const MaxRequest = 1 << 20

// RequestID is the SHA-256 digest of an owner's request. The zero value means that there is no request.
type RequestID [sha256.Size]byte

func idOf(request []byte) RequestID {
	if len(request) == 0 {
		return RequestID{}
	}
	return sha256.Sum256(request)
}

// Request is an owner's signed request whose signature has been verified, about the messages of one owner.
type Request interface {
	// Deletes reports whether the request deletes a message.
	Deletes(m Message) bool
}

// ReadRequest parses and verifies the request of the owner of a record. It returns an error unless the owner signed it.
type ReadRequest func(owner string, request []byte) (Request, error)

// references name the owner's requests that a stored version comes from.
type references struct {
	version RequestID // the request that deleted the message or changed its expiration
	stored  RequestID // the request that stored the message, in namespaces that only the owner may store to
}

// ids returns the references in the order in which they are encoded.
func (r references) ids() [2]RequestID { return [2]RequestID{r.version, r.stored} }

// keepRequest stores a request until the given time (milliseconds) at least, and returns its identifier. For nil it
// returns the zero identifier.
func (t tables) keepRequest(request []byte, until int64) (RequestID, error) {
	if len(request) == 0 {
		return RequestID{}, nil
	}
	id := idOf(request)
	if value := t.requests.Get(id[:]); value != nil {
		if number, _, err := cutNumber(value); err != nil || int64(number) >= until {
			return id, err
		}
	}
	return id, t.requests.Put(id[:], append(appendNumber(nil, uint64(until)), request...))
}

// extendRequests keeps the requests of a version until the given time (milliseconds) at least.
func (t tables) extendRequests(refs references, until int64) error {
	for _, id := range refs.ids() {
		if request := requestIn(t.requests, id); request != nil {
			if _, err := t.keepRequest(bytes.Clone(request), until); err != nil {
				return err
			}
		}
	}
	return nil
}

// requestIn returns a stored request, nil if there is none.
func requestIn(bucket *kv.Bucket, id RequestID) []byte {
	value := bucket.Get(id[:])
	if id == (RequestID{}) || len(value) < numberSize {
		return nil
	}
	return value[numberSize:]
}

// maxRequestSweep bounds the requests that one transaction removes.
const maxRequestSweep = 256

// sweepRequests removes the requests that no message refers to at now (milliseconds). It stops when ctx ends.
func (s *Store) sweepRequests(ctx context.Context, now int64) error {
	for ctx.Err() == nil {
		due, err := s.dueRequests(now)
		if err != nil || len(due) == 0 {
			return err
		}
		err = s.db.Update(func(tx *kv.Tx) error {
			bucket := tx.Bucket(requestBucket)
			for _, id := range due {
				if until, _, err := cutNumber(bucket.Get(id)); err != nil || int64(until) > now {
					continue // extended since
				}
				if err := bucket.Delete(id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(due) < maxRequestSweep {
			return err
		}
	}
	return nil
}

func (s *Store) dueRequests(now int64) (due [][]byte, err error) {
	err = s.db.View(func(tx *kv.Tx) error {
		cursor := tx.Bucket(requestBucket).Cursor()
		for id, value := cursor.First(); id != nil && len(due) < maxRequestSweep; id, value = cursor.Next() {
			until, _, err := cutNumber(value)
			if err != nil {
				return err
			}
			if int64(until) <= now {
				due = append(due, bytes.Clone(id))
			}
		}
		return nil
	})
	return due, err
}
