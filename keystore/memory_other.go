//go:build !linux

package keystore

// memoryLimit returns the assumed memory of this machine.
func memoryLimit() uint64 { return unknownMemory }
