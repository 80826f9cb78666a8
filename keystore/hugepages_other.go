//go:build !linux

package keystore

// prepareHugePages does nothing: only Linux lets a program ask for huge pages and needs no privilege for it.
func prepareHugePages(int) {}
