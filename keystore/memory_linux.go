package keystore

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// memoryLimit returns the bytes of memory of this machine, or of this process's control group if that is less.
func memoryLimit() uint64 {
	limit := uint64(unknownMemory)
	var info syscall.Sysinfo_t
	if syscall.Sysinfo(&info) == nil {
		limit = uint64(info.Totalram) * uint64(info.Unit)
	}
	// Inside a container the process's own group is the topmost one. The value "max" is not a number.
	if content, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if group, err := strconv.ParseUint(string(bytes.TrimSpace(content)), 10, 64); err == nil {
			limit = min(limit, group)
		}
	}
	return limit
}
