package docgen

import (
	"io"

	"github.com/spf13/cobra"
)

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

// WriteBashCompletion writes the completion script for bash.
func WriteBashCompletion(root *cobra.Command, out io.Writer) error {
	if err := root.GenBashCompletionV2(out, true); err != nil {
		return err
	}
	_, err := io.WriteString(out, bashAlone)
	return err
}
