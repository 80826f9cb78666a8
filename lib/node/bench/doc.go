// Package bench measures a service node from outside, over HTTPS, next to the SQLite pattern of the storage server of
// 2020 in the same run. It is a module of its own, so that the program does not depend on SQLite. Run it with
//
//	go test -run '^$' -bench . -benchtime 20000x
//
// in this folder. Client and server share the machine, so the figures are lower than those of a node alone.
package bench
