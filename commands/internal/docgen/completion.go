package docgen

import (
	"io"

	"github.com/spf13/cobra"
)

// Completion is the script that completes command lines in one shell.
type Completion struct {
	Shell string
	File  string // the name under which the shell looks for it
	Write func(root *cobra.Command, out io.Writer) error
}

// Completions returns the scripts of all shells.
func Completions() []Completion {
	return []Completion{
		{"bash", "sessiontool.bash", writeBashCompletion},
		{"zsh", "_sessiontool", (*cobra.Command).GenZshCompletion},
		{"fish", "sessiontool.fish", func(root *cobra.Command, out io.Writer) error {
			return root.GenFishCompletion(out, true)
		}},
		{"powershell", "sessiontool.ps1", (*cobra.Command).GenPowerShellCompletionWithDesc},
	}
}

// bashAlone splits a command line into words where the package bash-completion, which does it better, is not installed.
const bashAlone = `
if ! declare -F _get_comp_words_by_ref >/dev/null; then
    __sessiontool_init_completion()
    {
        local line=${COMP_LINE:0:COMP_POINT}
        read -ra words <<<"$line"
        [[ $line == *[[:space:]] ]] && words+=("")
        cword=$((${#words[@]} - 1))
        cur=${words[cword]}
        prev=${words[cword - 1]}
    }
fi
`

func writeBashCompletion(root *cobra.Command, out io.Writer) error {
	if err := root.GenBashCompletionV2(out, true); err != nil {
		return err
	}
	_, err := io.WriteString(out, bashAlone)
	return err
}
