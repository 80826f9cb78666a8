package docgen

import (
	"bytes"
	"strings"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
)

// PackageFolders are the folders of what PackageFiles returns.
var PackageFolders = []string{"man", "completions"}

// PackageFiles returns what packages install beside the binary: a man page for each command and each topic, and the
// completion scripts. Names are paths that begin with one of PackageFolders.
func PackageFiles(root *cobra.Command, specOf func(*cobra.Command) cli.Spec) (map[string][]byte, error) {
	root.InitDefaultHelpFlag()
	files := make(map[string][]byte)
	for _, cmd := range AllCommands(root) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
		if cmd.IsAdditionalHelpTopicCommand() {
			files["man/"+name+".7"] = []byte(manPage(cmd, specOf(cmd), 7))
			continue
		}
		cmd.InitDefaultHelpFlag()
		files["man/"+name+".1"] = []byte(manPage(cmd, specOf(cmd), 1))
	}
	for _, completion := range Completions() {
		var script bytes.Buffer
		if err := completion.Write(root, &script); err != nil {
			return nil, err
		}
		files["completions/"+completion.File] = script.Bytes()
	}
	return files, nil
}
