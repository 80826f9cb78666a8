// Generate writes the JSON Schemas of all records to the named file: go generate ./lib/schema.
package main

import (
	"fmt"
	"os"

	"sessiontool/lib/schema/infer"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: generate FILE")
		os.Exit(2)
	}
	text, err := infer.All()
	if err == nil {
		err = os.WriteFile(os.Args[1], text, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
