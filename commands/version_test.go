package commands

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// A build that is no release is on the way to the release after the last one in the changelog, and docs/releases.md says
// so.
func TestVersionFollowsTheChangelog(t *testing.T) {
	changes, err := os.ReadFile("../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	var major, minor, patch int
	last := regexp.MustCompile(`(?m)^## (\d+\.\d+\.\d+)`).FindStringSubmatch(string(changes))
	if last == nil {
		t.Fatal("the changelog has no release")
	}
	if _, err := fmt.Sscanf(last[1], "%d.%d.%d", &major, &minor, &patch); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%d.%d.0-dev", major, minor+1); version != want {
		t.Errorf("the version is %s, want %s after %s", version, want, last[1])
	}
	page, err := os.ReadFile("../docs/releases.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "`"+version+"`") {
		t.Errorf("docs/releases.md does not name %s", version)
	}
}
