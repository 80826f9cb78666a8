//go:build !amd64 || purego

package pow

func assemblyKernels() []*Kernel { return nil }
