package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// maxSuggestions bounds the words that an error proposes.
const maxSuggestions = 3

// usualWords are what other messengers' programs call what this one has under another name.
var usualWords = map[string]string{
	"receive": "poll", "fetch": "poll", "recv": "poll", "read": "inbox", "history": "inbox", "messages": "inbox",
	"message": "send", "msg": "send", "text": "send", "daemon": "listen", "watch": "listen", "wait": "listen",
	"register": "keygen", "new": "keygen", "create": "keygen", "init": "keygen", "whoami": "identity", "id": "identity",
	"account": "identity", "accounts": "identity", "restore": "identity", "backup": "identity", "export": "identity",
	"friend": "friend-request", "accept": "friend-request", "request": "friend-request", "add": "friend-request",
	"friends": "contact", "address-book": "contact", "block": "contact", "queue": "outbox", "nodes": "swarm",
	"server": "node", "status": "doctor", "check": "doctor", "diagnose": "doctor", "settings": "config",
	"proxy": "config", "seeds": "network", "link": "device", "time": "clock", "code": "errors", "tour": "guide",
}

// Suggest returns the words that are most like one that is none of them, the nearest first. A word begins with it, or
// differs from it by at most a third of its letters.
func Suggest(wrong string, words []string) (near []string) {
	wrong = strings.ToLower(wrong)
	most := max(1, len(wrong)/3)
	distances := make(map[string]int)
	for _, word := range words {
		distance := editDistance(wrong, word)
		if len(wrong) > 1 && strings.HasPrefix(word, wrong) {
			distance = 0
		}
		if distance <= most && !slices.Contains(near, word) {
			distances[word] = distance
			near = append(near, word)
		}
	}
	slices.SortStableFunc(near, func(a, b string) int {
		return cmp.Or(cmp.Compare(distances[a], distances[b]), cmp.Compare(a, b))
	})
	if usual := usualWords[wrong]; usual != "" && len(near) == 0 && slices.Contains(words, usual) {
		near = append(near, usual)
	}
	return near[:min(len(near), maxSuggestions)]
}

// editDistance counts the letters to insert, delete, replace or swap with their neighbour that make b of a.
func editDistance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			replaced := last[j]
			if a[i] != b[j] {
				replaced++
			}
			row[j+1] = min(replaced, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// DidYouMean adds suggestions to a text, each with a prefix.
func DidYouMean(text string, prefix string, near []string) string {
	if len(near) == 0 {
		return text
	}
	return text + "; did you mean " + prefix + strings.Join(near, " or "+prefix) + "?"
}

// UnknownCommand is the error of a command that there is not, below cmd.
func UnknownCommand(cmd *cobra.Command, name string) error {
	var names []string
	for _, child := range cmd.Commands() {
		names = append(names, child.Name())
	}
	near := Suggest(name, names)
	text := DidYouMean(fmt.Sprintf("unknown command %q for %q", name, cmd.CommandPath()), cmd.CommandPath()+" ", near)
	if len(near) == 0 && cmd.HasParent() {
		text += ": there are " + strings.Join(names, ", ")
	} else if len(near) == 0 {
		text += "; 'sessiontool --help' lists the commands"
	}
	return UsageError(errors.New(text))
}

// unknownFlag returns the text of an error about a flag that there is not, with suggestions.
func unknownFlag(cmd *cobra.Command, wrong *pflag.NotExistError) string {
	if wrong.GetSpecifiedShortnames() != "" {
		return wrong.Error()
	}
	var names []string
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if !flag.Hidden {
			names = append(names, flag.Name)
		}
	})
	return DidYouMean(wrong.Error(), "--", Suggest(wrong.GetSpecifiedName(), names))
}
