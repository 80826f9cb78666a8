//go:build !linux

package keystore

// memoryLimit returns what is assumed where the system was not asked.
func memoryLimit() uint64 { return unknownMemory }
