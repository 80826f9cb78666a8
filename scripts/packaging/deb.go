package main

import (
	"cmp"
	"crypto/md5"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// file is a file of a package. Name is its path without a leading slash.
type file struct {
	name    string
	mode    int64
	content []byte
}

// writeDeb makes a Debian package (deb-format 2.0) of a binary, its manual, its completions and the examples.
func (r *release) writeDeb(t target, binary string) error {
	files, err := r.packageFiles(binary)
	if err != nil {
		return err
	}
	data, err := tarball(files, r.when)
	if err != nil {
		return err
	}
	control, err := tarball(r.control(t, files), r.when)
	if err != nil {
		return err
	}
	members := []file{
		{"debian-binary", 0o100644, []byte("2.0\n")},
		{"control.tar.gz", 0o100644, control},
		{"data.tar.gz", 0o100644, data},
	}
	return r.write(fmt.Sprintf("sessiontool_%s_%s.deb", r.debVersion(), t.arch), archive(members, r.when))
}

// debVersion is the version in Debian's order: what follows a hyphen comes before the version without it.
func (r *release) debVersion() string {
	number, special, found := strings.Cut(r.version, "-")
	if !found {
		return number
	}
	return number + "~" + strings.ReplaceAll(special, "-", ".")
}

// control describes the package.
func (r *release) control(t target, files []file) []file {
	var sums strings.Builder
	size := 0
	for _, f := range files {
		size += (len(f.content) + 1023) / 1024
		fmt.Fprintf(&sums, "%x  %s\n", md5.Sum(f.content), f.name)
	}
	description := fmt.Sprintf("Package: sessiontool\nVersion: %s\nArchitecture: %s\n"+
		"Maintainer: the sessiontool authors <sessiontool@localhost>\nInstalled-Size: %d\nSection: net\nPriority: optional\n"+
		"Description: scriptable command line for the Session messenger\n"+
		" One command per operation, JSON in, JSON out: identities, friend requests,\n"+
		" messages, swarms, proof of work, onion requests, and the service nodes\n themselves.\n",
		r.debVersion(), t.arch, size)
	return []file{{"control", 0o644, []byte(description)}, {"md5sums", 0o644, []byte(sums.String())}}
}

// installed says which files of the repository go into which folder. Manuals are compressed there.
var installed = []struct{ pattern, folder string }{
	{"docs/man/*.1", "usr/share/man/man1/"},
	{"docs/man/*.7", "usr/share/man/man7/"},
	{"docs/completions/_sessiontool", "usr/share/zsh/vendor-completions/"},
	{"docs/completions/sessiontool.fish", "usr/share/fish/vendor_completions.d/"},
	{"scripts/examples/*", docFolder + "examples/"},
}

// renamed says which files of the repository have another name when they are installed.
var renamed = map[string]string{
	"docs/completions/sessiontool.bash": "usr/share/bash-completion/completions/sessiontool",
	"LICENSE":                           docFolder + "copyright",
	"CHANGELOG.md":                      docFolder + "changelog.gz",
}

const docFolder = "usr/share/doc/sessiontool/"

// packageFiles collects what is installed, sorted by name.
func (r *release) packageFiles(binary string) ([]file, error) {
	places := map[string]string{binary: "usr/bin/sessiontool"}
	for from, to := range renamed {
		places[filepath.Join(r.root, filepath.FromSlash(from))] = to
	}
	for _, some := range installed {
		paths, err := filepath.Glob(filepath.Join(r.root, filepath.FromSlash(some.pattern)))
		if err != nil {
			return nil, err
		}
		if len(paths) == 0 {
			return nil, fmt.Errorf("there is no %s", some.pattern)
		}
		for _, from := range paths {
			places[from] = some.folder + filepath.Base(from)
			if strings.HasPrefix(some.folder, "usr/share/man/") {
				places[from] += ".gz"
			}
		}
	}
	var files []file
	for from, to := range places {
		f, err := packageFile(from, to)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	return files, nil
}

// packageFile reads a file that will be installed, and compresses it if its new name says so.
func packageFile(from, to string) (file, error) {
	content, err := os.ReadFile(from)
	if err != nil {
		return file{}, err
	}
	info, err := os.Stat(from)
	if err != nil {
		return file{}, err
	}
	f := file{to, 0o644, content}
	if info.Mode()&0o100 != 0 {
		f.mode = 0o755
	}
	if path.Ext(to) == ".gz" {
		f.content, err = compress(content)
	}
	return f, err
}
