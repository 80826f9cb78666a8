// Package proto has the protobuf definitions and the code generated from them.
//
// Package wirepb has the messages between Session clients of 2020 and of session-v1. Package statepb has the stored
// form of sessions. After a change of a .proto file run go generate ./proto. scripts/test checks that the
// result is committed.
package proto

//go:generate go -C generate run . -root ../wirepb content.proto envelope.proto sealed.proto whisper.proto
//go:generate go -C generate run . -root ../statepb session.proto
