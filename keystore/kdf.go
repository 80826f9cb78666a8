package keystore

import (
	"context"
	"fmt"

	"golang.org/x/crypto/argon2"
)

// kdf are the cost parameters of Argon2id (RFC 9106).
type kdf struct {
	memory  uint32 // KiB
	passes  uint32
	threads uint8
}

// defaultKDF takes 64 MiB and a fraction of a second; BenchmarkUnlock measures it.
var defaultKDF = kdf{memory: 64 << 10, passes: 3, threads: 2}

// maxKDF is the upper bound of the parameters in a header.
var maxKDF = kdf{memory: 1 << 20, passes: 64, threads: 16}

func (p kdf) valid() bool {
	return p.passes >= 1 && p.passes <= maxKDF.passes &&
		p.threads >= 1 && p.threads <= maxKDF.threads &&
		p.memory >= 8*uint32(p.threads) && p.memory <= maxKDF.memory
}

// key derives the key from a passphrase. Without huge pages, a process that has just started spends more time on page
// faults than on Argon2id.
func (p kdf) key(passphrase []byte, salt [saltSize]byte) secret {
	prepareHugePages(int(p.memory) << 10)
	return secret(argon2.IDKey(passphrase, salt[:], p.passes, p.memory, p.threads, uint32(len(secret{}))))
}

// maxWork bounds memory (KiB) times passes: 20 times the default, some seconds.
const maxWork = 4 << 20

// affordable returns [ErrTooCostly] if the derivation needs more memory or time than this machine may spend.
func (p kdf) affordable() error {
	if work := uint64(p.memory) * uint64(p.passes); work > maxWork {
		return fmt.Errorf("%w: %d passes over %d MiB", ErrTooCostly, p.passes, p.memory>>10)
	}
	if limit := memoryLimit() / 2; uint64(p.memory)<<10 > limit {
		return fmt.Errorf("%w: %d MiB, and it may use %d MiB", ErrTooCostly, p.memory>>10, limit>>20)
	}
	return nil
}

// keyWithin is key for parameters that were read from a file. It returns [ErrTooCostly], or the error of ctx if ctx
// ends first. Argon2id cannot be interrupted: it then completes in the background.
func (p kdf) keyWithin(ctx context.Context, passphrase []byte, salt [saltSize]byte) (secret, error) {
	if err := p.affordable(); err != nil {
		return secret{}, err
	}
	done := make(chan secret, 1)
	own := append([]byte{}, passphrase...)
	go func() {
		defer clear(own)
		done <- p.key(own, salt)
	}()
	select {
	case key := <-done:
		return key, nil
	case <-ctx.Done():
		return secret{}, context.Cause(ctx)
	}
}

// unknownMemory is the assumed memory in bytes of a machine that does not report it.
const unknownMemory = 4 << 30
