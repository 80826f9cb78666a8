//go:build !purego

package pow

import (
	"slices"
	"testing"
)

// TestSelectKernels switches CPU features off.
func TestSelectKernels(t *testing.T) {
	for _, test := range []struct {
		hasAVX512F, hasAVX2 bool
		want                []*Kernel
	}{
		{true, true, []*Kernel{avx512, avx2}},
		{true, false, []*Kernel{avx512}},
		{false, true, []*Kernel{avx2}},
		{false, false, nil},
	} {
		if got := selectKernels(test.hasAVX512F, test.hasAVX2); !slices.Equal(got, test.want) {
			t.Errorf("AVX-512F %v, AVX2 %v: got %d kernels", test.hasAVX512F, test.hasAVX2, len(got))
		}
	}
	if all := Kernels(); all[len(all)-1] != portable {
		t.Error("the portable kernel is not the last one")
	}
}
