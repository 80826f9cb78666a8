// Package bench measures a service node from outside, over HTTPS, next to the SQLite pattern of the storage server of
// 2020 in the same run. It is a module of its own, since SQLite is none of the node's business. Run it with
//
//	go test -run '^$' -bench . -benchtime 20000x
//
// in this folder. Client and server share the machine, so figures are lower than what a node alone can do.
package bench
