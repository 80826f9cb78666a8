package keystore

import (
	"runtime"
	"syscall"
)

const (
	// hugePagesFrom is the allocation in bytes from which huge pages pay.
	hugePagesFrom = 8 << 20
	// hugePagesSlack is room in bytes for an allocation to begin and end within a huge page, and for what others
	// allocate in the meantime.
	hugePagesSlack = 4 << 20
)

// prepareHugePages sees to it that the next allocation of size bytes is on huge pages where the system has them. The
// advice is for addresses: the memory that it is given for is freed at once, and the next allocation of that size
// takes its place. Where the system does not follow the advice, or something else takes the place, nothing is lost but
// time.
func prepareHugePages(size int) {
	if size < hugePagesFrom {
		return
	}
	if syscall.Madvise(make([]byte, size+hugePagesSlack), syscall.MADV_HUGEPAGE) == nil {
		runtime.GC()
	}
}
