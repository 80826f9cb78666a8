package commands

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"sessiontool/lib/record"
)

// unreachable is a network of which no seed answers.
const unreachable = "http://127.0.0.1:1"

// installation is a folder with the tool and the examples, as /usr/local/bin would be, and a df of three full disks.
func installation(t *testing.T, shell string) string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err == nil {
		err = copyExamples(dir, shell)
	}
	if err == nil {
		err = os.Symlink(self, filepath.Join(dir, "sessiontool"))
	}
	if err == nil {
		err = os.Mkdir(filepath.Join(dir, "disks"), 0o700)
	}
	const df = "#!/bin/sh\necho 'Filesystem 1024-blocks Used Available Capacity Mounted on'\n" +
		"for disk in / /home '/mnt/a b'; do echo \"/dev/x 10 9 1 95% $disk\"; done\n"
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "disks", "df"), []byte(df), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// cron runs a line as cron does, with little more than a home, and where df is the one of the installation.
func (p *person) cron(dir, network, line, stdin string) result {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), "/bin/sh", "-c", line)
	cmd.Env = []string{
		"HOME=" + p.home, "LOGNAME=cron", "SHELL=/bin/sh", "PATH=" + filepath.Join(dir, "disks") + ":/usr/bin:/bin",
		"SESSIONTOOL_KEYSTORE=" + filepath.Join(p.home, "keystore"), "SESSIONTOOL_NETWORK=" + network,
		complaints + "=" + os.Getenv(complaints),
	}
	var out, problems bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = p.home, strings.NewReader(stdin), &out, &problems
	if err := cmd.Run(); cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return result{out: out.String(), err: problems.String(), code: cmd.ProcessState.ExitCode()}
}

// The examples do what they say when the network is down, too, under each shell and from cron: no alert is lost, no ID
// is sent as a text, and a backup needs no network.
func TestExamplesWithoutNetwork(t *testing.T) {
	net := startDevnet(t, usual)
	alice, bob := newPerson(t, net.SeedURL(), "Alice"), newPerson(t, net.SeedURL(), "Bob")
	befriend(t, alice, bob)
	passphrase := filepath.Join(alice.home, "passphrase")
	if err := os.WriteFile(passphrase, []byte("correct horse battery staple"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range shells {
		t.Run(name, func(t *testing.T) {
			shell, err := exec.LookPath(name)
			if err != nil {
				t.Skipf("there is no %s", name)
			}
			dir := installation(t, shell)
			alert := fmt.Sprintf("TO=%s LIMIT=90 %s/disk-alert / /home", bob.id, dir)
			down := alice.cron(dir, unreachable, alert, "")
			if queued := strings.Count(down.err, `"queued":true`); down.code != record.ExitTemporary || queued != 3 {
				t.Errorf("disk-alert without a network: exit %d, %d messages queued\n%s", down.code, queued, down.err)
			}
			list := fmt.Sprintf("%s one of %s\n\n%s\n  %s\ttwo \\ \"of\" %s\r\n", bob.id, name, bob.id, bob.id, name)
			bulk := alice.cron(dir, unreachable, dir+"/bulk-send", list)
			refs := gjson.Get("["+strings.ReplaceAll(strings.TrimSpace(bulk.out), "\n", ",")+"]", "#.[ref,code]").Raw
			want := `[["1","network_unreachable"],["3","bad_text"],["4","network_unreachable"]]`
			if bulk.code != record.ExitPartial || refs != want {
				t.Errorf("bulk-send without a network: exit %d, %s, want %s\n%s", bulk.code, refs, want, bulk.err)
			}
			if holes := alice.cron(dir, unreachable, dir+"/swarm-holes", ""); holes.code != record.ExitTemporary {
				t.Errorf("swarm-holes without a network: exit %d\n%s", holes.code, holes.err)
			}
			backups := filepath.Join(t.TempDir(), "with space")
			if err := os.Mkdir(backups, 0o700); err != nil {
				t.Fatal(err)
			}
			for day := range 9 {
				old := filepath.Join(backups, fmt.Sprintf("sessiontool-2020-01-0%d.backup", day+1))
				if err := os.WriteFile(old, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			saved := alice.cron(dir, unreachable, fmt.Sprintf("%s/nightly-backup '%s' %s", dir, backups, passphrase), "")
			kept, err := os.ReadDir(backups)
			if err != nil || saved.code != 0 || len(kept) != 7 {
				t.Errorf("nightly-backup: exit %d, %d files, %v\n%s", saved.code, len(kept), err, saved.err)
			}

			up := alice.cron(dir, net.SeedURL(), alert, "")
			if up.code != 0 || strings.Count(up.out, `"type":"receipt"`) != 3 {
				t.Errorf("disk-alert with the network: exit %d\n%s%s", up.code, up.out, up.err)
			}
			got := texts(bob.must("", "poll"))
			host, err := os.Hostname()
			if err != nil {
				t.Fatal(err)
			}
			wantTexts := []string{
				host + ": / is 95% full", host + ": /home is 95% full", host + ": /mnt/a b is 95% full", "one of " + name,
				"two \\ \"of\" " + name,
			}
			slices.Sort(got)
			slices.Sort(wantTexts)
			if !slices.Equal(got, wantTexts) {
				t.Errorf("Bob reads %q, want %q", got, wantTexts)
			}
		})
	}
}
