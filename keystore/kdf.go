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

// defaultKDF is a fraction of a second and 64 MiB: BenchmarkUnlock measures it.
var defaultKDF = kdf{memory: 64 << 10, passes: 3, threads: 2}

// maxKDF bounds what a header may say.
var maxKDF = kdf{memory: 1 << 20, passes: 64, threads: 16}

func (p kdf) valid() bool {
	return p.passes >= 1 && p.passes <= maxKDF.passes &&
		p.threads >= 1 && p.threads <= maxKDF.threads &&
		p.memory >= 8*uint32(p.threads) && p.memory <= maxKDF.memory
}

// key derives the key from a passphrase. A process that has just started spends more time on getting Argon2id's memory
// from the system, page by page, than on Argon2id, unless the pages are huge.
func (p kdf) key(passphrase []byte, salt [saltSize]byte) secret {
	prepareHugePages(int(p.memory) << 10)
	return secret(argon2.IDKey(passphrase, salt[:], p.passes, p.memory, p.threads, uint32(len(secret{}))))
}

// maxWork bounds memory times passes: 20 times what we ask for ourselves, some seconds.
const maxWork = 4 << 20

// affordable returns ErrTooCostly if a key takes more memory or time than this machine may spend.
func (p kdf) affordable() error {
	if work := uint64(p.memory) * uint64(p.passes); work > maxWork {
		return fmt.Errorf("%w: %d passes over %d MiB", ErrTooCostly, p.passes, p.memory>>10)
	}
	if limit := memoryLimit() / 2; uint64(p.memory)<<10 > limit {
		return fmt.Errorf("%w: %d MiB, and it may use %d MiB", ErrTooCostly, p.memory>>10, limit>>20)
	}
	return nil
}

// keyWithin is key for parameters that were read from a file. It returns ErrTooCostly, or ctx's error if that ends first:
// Argon2id cannot be stopped, so it goes on in the background then.
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

// unknownMemory is what a machine is taken to have in bytes if it does not say.
const unknownMemory = 4 << 30
