// Package fields writes protobuf fields one by one, in the order of the calls.
//
// Session clients of 2020 write fields in the order of their .proto files and write some zero values
// (signal-2020.md section 3.1). Generated code does neither. Reading does not depend on the order, so generated code
// reads.
package fields

import "google.golang.org/protobuf/encoding/protowire"

// AppendVarint appends an integer, an enum or a flag. It also writes zero.
func AppendVarint(b []byte, field protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), value)
}

// AppendBytes appends a string, a byte string or an encoded message. It also writes an empty one.
func AppendBytes[T string | []byte](b []byte, field protowire.Number, value T) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(len(value)))
	return append(b, value...)
}
