// Package usedkeys remembers in the keystore which message keys of the ratchet were used, with a witness of each. With
// it an account distinguishes a copy of a received message from another message with the same key, which a copy of the
// sender's keystore makes.
//
// A used key takes 40 bytes, and is forgotten after a time of the caller's. The keys of a block of messages share a
// record.
package usedkeys

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/ratchet"
)

// Table is the table of the used keys.
const Table keystore.Table = "used_keys" // chain and number of a block -> block

// blockSize is the number of counters of a block.
const blockSize = 64

// headerSize is the length of a block without witnesses: the time of expiry in seconds since 1970, and a bit for each
// counter that has a witness. The witnesses follow, by counter. Numbers are big-endian.
const headerSize = 8 + 8

// name names the block of a counter. Chain is a name without spaces.
func name(chain string, counter uint32) string {
	return chain + " " + strconv.FormatUint(uint64(counter/blockSize), 10)
}

// load returns a block, nil if there is none, and the position of a counter's witness in it.
func load(tx *keystore.Tx, chain string, counter uint32) (block []byte, at int, found bool, err error) {
	block, ok, err := tx.Get(Table, name(chain, counter))
	if err != nil || !ok {
		return nil, headerSize, false, err
	}
	if len(block) < headerSize {
		return nil, 0, false, fmt.Errorf("%w: table %s: block of %d bytes", keystore.ErrCorrupt, Table, len(block))
	}
	set := binary.BigEndian.Uint64(block[8:])
	if want := headerSize + bits.OnesCount64(set)*ratchet.WitnessSize; len(block) != want {
		return nil, 0, false, fmt.Errorf("%w: table %s: block of %d bytes, not %d", keystore.ErrCorrupt, Table,
			len(block), want)
	}
	bit := uint64(1) << (counter % blockSize)
	return block, headerSize + bits.OnesCount64(set&(bit-1))*ratchet.WitnessSize, set&bit != 0, nil
}

// Add records a used key of a chain until a time. The time holds for the whole block.
func Add(tx *keystore.Tx, chain string, counter uint32, witness ratchet.Witness, until time.Time) error {
	block, at, found, err := load(tx, chain, counter)
	if err != nil || found {
		return err
	}
	if block == nil {
		block = make([]byte, headerSize)
	}
	next := make([]byte, headerSize, len(block)+ratchet.WitnessSize)
	binary.BigEndian.PutUint64(next, uint64(until.Unix()))
	binary.BigEndian.PutUint64(next[8:], binary.BigEndian.Uint64(block[8:])|1<<(counter%blockSize))
	next = append(next, block[headerSize:at]...)
	next = witness.Append(next)
	next = append(next, block[at:]...)
	return tx.Put(Table, name(chain, counter), next)
}

// Find returns the witness of a used key, and whether it is known.
func Find(tx *keystore.Tx, chain string, counter uint32) (witness ratchet.Witness, found bool, err error) {
	block, at, found, err := load(tx, chain, counter)
	if err != nil || !found {
		return witness, false, err
	}
	witness, err = ratchet.ParseWitness(block[at : at+ratchet.WitnessSize])
	return witness, err == nil, err
}

// Forget deletes the blocks whose time is over.
func Forget(tx *keystore.Tx, now time.Time) error {
	return tx.ForEach(Table, func(name string, block []byte) error {
		if len(block) < headerSize {
			return fmt.Errorf("%w: table %s: block of %d bytes", keystore.ErrCorrupt, Table, len(block))
		}
		if now.Unix() <= int64(binary.BigEndian.Uint64(block)) {
			return nil
		}
		return tx.Delete(Table, name)
	})
}
