package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sessiontool/lib/devnet"
	"sessiontool/lib/presence"
	"sessiontool/lib/record"
)

// DevnetNotes returns the folder with the notes of this user's running devnets: for each a presence file, which shows
// that it runs, and a JSON file of the same name.
func (app *App) DevnetNotes() (string, error) {
	dir, err := StateDir(app.Streams.Env)
	return filepath.Join(dir, "devnets"), err
}

// DevnetNote is the note of a running devnet. Dir is the folder of its data.
type DevnetNote struct {
	Network record.Network `json:"network"`
	Dir     string         `json:"dir"`

	Presence string `json:"-"` // name of its presence file
	since    time.Time
}

// WithStatus returns the network record of the devnet with its present status.
func (note *DevnetNote) WithStatus(status devnet.Status) record.Network {
	out := note.Network
	out.Nodes, out.Swarms, out.Difficulty = status.Nodes, status.Swarms, int64(status.Difficulty)
	out.PageURL = status.PageURL
	out.LatencyMS = float64(status.Distance.Latency) / float64(time.Millisecond)
	out.JitterMS = float64(status.Distance.Jitter) / float64(time.Millisecond)
	out.Loss = status.Distance.Loss
	return out
}

// NoteDevnet writes the note of a devnet that runs in this process. The returned function removes it.
func (app *App) NoteDevnet(note DevnetNote) (remove func() error, err error) {
	dir, err := app.DevnetNotes()
	if err != nil {
		return nil, err
	}
	announced := presence.In(dir)
	if err := announced.Announce(); err != nil {
		return nil, err
	}
	data, err := json.Marshal(note)
	path := filepath.Join(dir, announced.Name()+".json")
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		return nil, errors.Join(err, announced.Close())
	}
	return func() error { return errors.Join(os.Remove(path), announced.Close()) }, nil
}

// Devnets returns the running devnets, newest first. It removes the notes of dead ones.
func (app *App) Devnets() ([]DevnetNote, error) {
	dir, err := app.DevnetNotes()
	if err != nil {
		return nil, nil // without a home there are no notes
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var running []DevnetNote
	for _, entry := range entries {
		name, isNote := strings.CutSuffix(entry.Name(), ".json")
		if !isNote {
			continue
		}
		note, err := readNote(dir, name)
		if err != nil {
			return nil, err
		}
		if note == nil {
			continue
		}
		at := len(running)
		for at > 0 && running[at-1].since.Before(note.since) {
			at--
		}
		running = append(running[:at], append([]DevnetNote{*note}, running[at:]...)...)
	}
	return running, nil
}

// readNote reads a note. If its devnet is dead, it removes the note and returns nil.
func readNote(dir, name string) (*DevnetNote, error) {
	path := filepath.Join(dir, name+".json")
	if presence.StateOf(dir, name) != presence.Alive {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	note := &DevnetNote{Presence: name}
	if err := json.Unmarshal(data, note); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if info, err := os.Stat(path); err == nil {
		note.since = info.ModTime()
	}
	return note, nil
}

// runningDevnet returns the network record of the newest running devnet with this name, or with any if name is empty.
func (app *App) runningDevnet(name string) (record.Network, error) {
	running, err := app.Devnets()
	if err != nil {
		return record.Network{}, err
	}
	for _, note := range running {
		if name == "" || note.Network.Name == name {
			return note.Network, nil
		}
	}
	return record.Network{}, ErrNoNetwork
}

// NamedDevnet returns the one of the running devnets, the newest first, that the setting network names: by its name, its
// file or the URL of its seed. It is the newest one if nothing is named, or if the environment or the config file names a
// network that is no devnet.
func (app *App) NamedDevnet(running []DevnetNote) (*DevnetNote, error) {
	name := app.networkName
	if name == "" {
		return &running[0], nil
	}
	file, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	for i, note := range running {
		sameSeed := slices.ContainsFunc(note.Network.Seeds, func(seed string) bool { return seedRoot(seed) == seedRoot(name) })
		if note.Network.Name == name || note.Network.File == file || sameSeed {
			return &running[i], nil
		}
	}
	from := app.origins["network"].Kind
	if _, err := app.ResolveNetwork(); err == nil && from != originFlag {
		return &running[0], nil
	}
	return nil, WithCode(ErrNoNetwork, fmt.Errorf("no devnet called %q runs", name))
}

// seedRoot returns the URL of a seed without the path at which it answers.
func seedRoot(url string) string {
	return strings.TrimSuffix(strings.TrimSuffix(url, "/json_rpc"), "/")
}
