package docgen

import (
	"fmt"
	"strings"
)

// task is something that users want to do: how it is done, as shell commands that run one after the other, and where
// more about it is written.
type task struct {
	title, text string
	commands    []string
	more        string // a page below docs/, with a section
}

// tasks are the parts of the guide. The tests run their commands, in this order.
var tasks = []task{
	{"Begin", "A network on this machine and two accounts, each in a keystore of its own. For the real network leave out " +
		"the first line, and run 'sessiontool config set network mainnet'; that was never tested.",
		[]string{
			`sessiontool devnet up --detach --generation 2.8`,
			`server() { sessiontool --keystore "$HOME/server" "$@"; }`,
			`me() { sessiontool --keystore "$HOME/me" "$@"; }`,
			`SERVER=$(server keygen --display-name Server --select session_id)`,
			`ME=$(me keygen --display-name Me --select session_id)`,
		}, "tutorial.md"},
	{"Alert me", "Send a text to a Session ID, from a script or from cron. If the network is down, it waits in the " +
		"outbox, and the exit code is 5. 'send --dry-run' says what would be sent.",
		[]string{
			`server send --to $ME --text 'backup failed' || echo 'it waits in the outbox'`,
			`df -P / | server send --to $ME -`,
			`me poll --output human`,
		}, "cookbook.md#an-alert-from-cron"},
	{"Answer by script", "Run a command for each message as it arrives: it gets the JSON record on stdin, and its exit code 0 " +
		"accepts the message, which comes again otherwise. Here it ends after two seconds without one.",
		[]string{
			`me send --to $SERVER --text 'which system?'`,
			`server listen --max-idle 2s --only message --exec 'sessiontool --keystore "$HOME/server" send ` +
				`--to "$(grep -o "\"from\":\"[0-9a-f]*" | cut -c 9-)" --text "$(uname -s)" --select route'`,
			`me poll --select text`,
		}, "cookbook.md#a-bot-in-ten-lines-of-shell"},
	{"Watch a swarm", "Which nodes keep an account's messages, how they are, and whether they agree.",
		[]string{
			`me swarm check --output human`,
			`sessiontool swarm lookup $ME --select nodes.#.address`,
			`sessiontool devnet status --nodes --output human`,
			`me doctor --output human`,
		}, "devnet.md#debugging-a-swarm-that-lost-a-message"},
	{"Test in CI", "Everything in one process, without any other network; or a devnet in a folder of its own, which the " +
		"test removes.",
		[]string{
			`sessiontool demo > story`,
			`sessiontool devnet up --detach --dir "$HOME/ci" --name ci --select file`,
			`sessiontool devnet down --dir "$HOME/ci"`,
		}, "cookbook.md#a-smoke-test-in-continuous-integration"},
	{"Use my phone's account", "The recovery password of the phone makes the same account here. Its 13 words come from " +
		"a file or from stdin (-), never from an argument. Both get the messages.",
		[]string{
			`me identity export --select mnemonic > words`,
			`sessiontool --keystore "$HOME/again" keygen --mnemonic-file words --select session_id`,
			`rm words`,
		}, "phone.md"},
	{"Several machines", "A keystore is in use on one machine at a time. Move it with a backup; or make the account on a " +
		"second device and link the two, so that both read what is encrypted for its rotating keys; or run service " +
		"nodes on several machines.",
		[]string{
			`echo 'a long passphrase' > passphrase`,
			`me identity export --backup saved --new-passphrase-file passphrase`,
			`sessiontool --keystore "$HOME/moved" identity restore saved --passphrase-file passphrase`,
			`rm saved passphrase`,
			`sessiontool device link --help | head -n 1`,
		}, "cookbook.md#moving-to-another-machine"},
	{"When something is wrong", "The last line of a failed command is an error record with a code and a hint. 'doctor' " +
		"checks settings, keystore, network and clock. 'sessiontool help' lists commands and topics.",
		[]string{
			`sessiontool errors not_stored --select hint`,
			`sessiontool --version`,
			`sessiontool devnet down`,
		}, "exit-codes.md"},
}

const guideIntroduction = "What do you want to do? Each part is for one task, and the first makes what the others use. " +
	"Paste it into a shell."

// guideText returns the guide for a terminal.
func guideText() string {
	var b strings.Builder
	b.WriteString(wrap(guideIntroduction, 100, "") + "\n")
	for _, t := range tasks {
		fmt.Fprintf(&b, "\n%s\n%s\n\n", strings.ToUpper(t.title), wrap(t.text, 100, ""))
		for _, line := range t.commands {
			b.WriteString("  " + line + "\n")
		}
		fmt.Fprintf(&b, "\n  more: docs/%s\n", t.more)
	}
	return b.String()
}

// guidePage returns docs/guide.md.
func guidePage() string {
	var b strings.Builder
	fmt.Fprintf(&b, "<!-- %s -->\n\n# Guide by task\n\n%s\n", generatedBy, wrap(guideIntroduction+
		" 'sessiontool guide' prints the same; the tests run it.", 118, ""))
	for _, t := range tasks {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n```sh\n%s\n```\n\nMore: [%s](%s)\n", t.title, wrap(t.text, 118, ""),
			strings.Join(t.commands, "\n"), t.more, t.more)
	}
	return b.String()
}
