//go:build unix

package simulation

// costEdits make a schedule take less of a processor without a change of what it does. Stacks begin with 16 KiB, the heap
// uses huge pages, passphrases are stretched hardly at all, and a process computes each result of X25519 once and checks
// no signature that it has made or checked before. source returns the path of a file of the standard library.
func costEdits(source func(path string) string) []edit {
	signatures, agreements := source("crypto/ed25519/ed25519.go"), source("crypto/ecdh/x25519.go")
	return []edit{
		{
			"keystore/kdf.go", "var defaultKDF = kdf{memory: 64 << 10, passes: 3, threads: 2}\n",
			"var defaultKDF = kdf{memory: 8, passes: 1, threads: 1}\n",
		},
		{
			source("runtime/stack.go"), "var startingStackSize uint32 = fixedStack\n",
			"var startingStackSize uint32 = 16 << 10\n",
		},
		{
			source("runtime/stack.go"), "\tif debug.adaptivestackstart == 0 {\n\t\treturn\n", "\tif true {\n\t\treturn\n",
		},
		{
			source("runtime/mem_linux.go"), "\tsetVMAName(p, n, vmaName)\n\n\t// Disable huge pages",
			"\tsetVMAName(p, n, vmaName)\n\tsysHugePageOS(v, n)\n\n\t// Disable huge pages",
		},
		{signatures, "\t\"strconv\"\n)\n", "\t\"strconv\"\n\t\"sync\"\n)\n" + validSignatures},
		{
			signatures, "\tsig := ed25519.Sign(k, message)\n",
			"\tsig := ed25519.Sign(k, message)\n\tnoteValid(signed(privateKey[32:], message, sig))\n",
		},
		{
			signatures, "\treturn VerifyWithOptions(publicKey, message, sig, &Options{Hash: crypto.Hash(0)}) == nil\n",
			"\twhat := signed(publicKey, message, sig)\n\tif isKnown(what) {\n\t\treturn true\n\t}\n" +
				"\tif VerifyWithOptions(publicKey, message, sig, &Options{Hash: crypto.Hash(0)}) != nil {\n\t\treturn false\n\t}\n" +
				"\tnoteValid(what)\n\treturn true\n",
		},
		{agreements, "func x25519ScalarMult(dst, scalar, point []byte) {\n", "func multiply(dst, scalar, point []byte) {\n"},
		{agreements, "\t\"io\"\n)\n", "\t\"io\"\n\t\"sync\"\n)\n" + agreements25519},
	}
}

// validSignatures is the memory of valid signatures.
const validSignatures = `
var (
	knownMutex sync.Mutex
	knownValid = make(map[string]bool)
)

func signed(publicKey, message, sig []byte) string { return string(publicKey) + string(sig) + string(message) }

func isKnown(what string) bool {
	knownMutex.Lock()
	defer knownMutex.Unlock()
	return knownValid[what]
}

func noteValid(what string) {
	knownMutex.Lock()
	defer knownMutex.Unlock()
	if len(knownValid) >= 4096 {
		clear(knownValid)
	}
	knownValid[what] = true
}
`

// agreements25519 is the memory of results of X25519.
const agreements25519 = `
var (
	agreedMutex sync.Mutex
	agreed      = make(map[[64]byte][32]byte)
)

func x25519ScalarMult(dst, scalar, point []byte) {
	what := [64]byte(append(append(make([]byte, 0, 64), scalar[:32]...), point[:32]...))
	agreedMutex.Lock()
	result, ok := agreed[what]
	agreedMutex.Unlock()
	if !ok {
		multiply(result[:], scalar, point)
		agreedMutex.Lock()
		if len(agreed) >= 4096 {
			clear(agreed)
		}
		agreed[what] = result
		agreedMutex.Unlock()
	}
	copy(dst, result[:])
}
`
