// Command wycheproof writes the test vectors of project Wycheproof to a folder, for the tests that WYCHEPROOF_VECTORS
// names it to. It is a module of its own: the vectors have about 110 MB, and only these tests need them.
package main

import (
	"fmt"
	"os"

	"github.com/c2sp/wycheproof"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: wycheproof FOLDER")
		os.Exit(2)
	}
	if err := os.CopyFS(os.Args[1], wycheproof.TestVectors); err != nil {
		fmt.Fprintln(os.Stderr, "wycheproof:", err)
		os.Exit(1)
	}
}
