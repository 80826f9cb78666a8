// Command sessiontool is the scriptable command-line toolkit for the Session messenger. Everything it does is in
// package commands and below.
package main

import (
	"os"

	"sessiontool/commands"
)

func main() {
	os.Exit(commands.Main(os.Args[1:], commands.System()))
}
