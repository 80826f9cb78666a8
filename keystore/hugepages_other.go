//go:build !linux

package keystore

// prepareHugePages does nothing: only Linux offers huge pages to programs without privileges.
func prepareHugePages(int) {}
