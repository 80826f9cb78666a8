package keystore

import "golang.org/x/crypto/argon2"

// kdf are the cost parameters of Argon2id (RFC 9106).
type kdf struct {
	memory  uint32 // KiB
	passes  uint32
	threads uint8
}

// defaultKDF is a fraction of a second and 64 MiB: BenchmarkUnlock measures it.
var defaultKDF = kdf{memory: 64 << 10, passes: 3, threads: 2}

// maxKDF bounds what a header may make Open spend.
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
