//go:build !purego

package pow

import "golang.org/x/sys/cpu"

// Each chunk is a multiple of the batch, which is 16 nonces with AVX-512 and 4 with AVX2.
var (
	avx512 = &Kernel{name: "avx512", chunk: 1024, search: func(j *job, start, target, count uint64) uint64 {
		return searchAVX512(&j.variables, &j.rounds, &j.words, start, target, count)
	}}
	avx2 = &Kernel{name: "avx2", chunk: 512, search: func(j *job, start, target, count uint64) uint64 {
		return searchAVX2(&j.variables, &j.rounds, &j.words, start, target, count)
	}}
)

// assemblyKernels returns the kernels written in assembly that this CPU and the operating system support.
func assemblyKernels() []*Kernel {
	return selectKernels(cpu.X86.HasAVX512F, cpu.X86.HasAVX2)
}

func selectKernels(hasAVX512F, hasAVX2 bool) (kernels []*Kernel) {
	if hasAVX512F {
		kernels = append(kernels, avx512)
	}
	if hasAVX2 {
		kernels = append(kernels, avx2)
	}
	return kernels
}
