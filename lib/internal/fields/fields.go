// Package fields writes protobuf fields one by one, in the order in which its caller names them.
//
// Session clients of 2020 write fields in the order of their .proto files (signal-2020.md section 3.1) and write
// some zero values out, neither of which generated code does. Reading needs no such care and is left to that code.
package fields

import "google.golang.org/protobuf/encoding/protowire"

// AppendVarint appends an integer, an enum or a flag, zero included.
func AppendVarint(b []byte, field protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), value)
}

// AppendBytes appends a string, a byte string or an encoded message, empty ones included.
func AppendBytes[T string | []byte](b []byte, field protowire.Number, value T) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(len(value)))
	return append(b, value...)
}
