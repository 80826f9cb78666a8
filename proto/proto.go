// Package proto is the home of the protobuf definitions and of the code made from them.
//
// Package wirepb holds the messages that travel between Session clients of the 2020 generation;
// package statepb holds the stored form of sessions. Both are generated: edit the .proto files,
// then run go generate ./proto. Continuous integration checks that the result is committed.
package proto

//go:generate go -C generate run . -root ../wirepb content.proto envelope.proto sealed.proto whisper.proto
//go:generate go -C generate run . -root ../statepb session.proto
