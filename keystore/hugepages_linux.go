package keystore

import (
	"runtime"
	"syscall"
)

const (
	// hugePagesFrom is the allocation size in bytes above which huge pages pay off.
	hugePagesFrom = 8 << 20
	// hugePagesSlack is extra room in bytes: the allocation may begin and end within a huge page, and other goroutines
	// may allocate in the meantime.
	hugePagesSlack = 4 << 20
)

// prepareHugePages makes the next allocation of size bytes use huge pages where the system has them. The advice applies
// to addresses: prepareHugePages allocates, advises and frees the memory, and the next allocation of that size takes
// its place. If the system ignores the advice or another allocation takes the place, only time is lost.
func prepareHugePages(size int) {
	if size < hugePagesFrom {
		return
	}
	if syscall.Madvise(make([]byte, size+hugePagesSlack), syscall.MADV_HUGEPAGE) == nil {
		runtime.GC()
	}
}
