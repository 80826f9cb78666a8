// Command generate writes the assembly kernels of package pow. go generate runs it (see lib/pow/kernel.go).
//
// The search (search.go) and SHA-512 (sha512.go, with the terms of FIPS 180-4) are written once. The instruction sets
// differ only in the vector operations (avx512.go, avx2.go). A word of the standard is here a word of every lane of
// every stream. Each step emits one instruction for each stream, so that the streams are interleaved.
package main

import (
	"flag"
	"os"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
)

func main() {
	set := flag.NewFlagSet("generate", flag.ExitOnError)
	flags := build.NewFlags(set)
	_ = set.Parse(os.Args[1:]) // exits on an error
	ctx := build.NewContext()
	kernels(ctx)
	os.Exit(build.Main(flags.Config(), ctx))
}

// kernels emits all kernels.
func kernels(ctx *build.Context) {
	ctx.ConstraintExpr("!purego")
	lanes := table(ctx, "lanes", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
	for _, k := range []*kernel{
		{name: "searchAVX512", vectors: &avx512{streams{ctx, 2}}},
		{name: "searchAVX2", vectors: newAVX2(streams{ctx, 1})},
	} {
		k.Context, k.lanes = ctx, lanes
		k.search()
	}
}

// table emits constants.
func table(ctx *build.Context, name string, numbers ...uint64) operand.Mem {
	m := ctx.StaticGlobal(name)
	ctx.DataAttributes(attr.RODATA | attr.NOPTR)
	for _, n := range numbers {
		ctx.AppendDatum(operand.U64(n))
	}
	return m
}
