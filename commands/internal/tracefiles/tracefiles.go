package tracefiles

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"sessiontool/commands/internal/picture"
	"sessiontool/lib/record"
	"sessiontool/lib/trace"
)

// Stdout is the name of the file that stands for records on stdout.
const Stdout = "-"

// notAsked is why the record of a trace says nothing of the members.
const notAsked = "the members were not asked; 'sessiontool trace HASH' of the recipient's account asks them"

// Check returns an error for a file whose name has no format.
func Check(file string) error {
	switch strings.ToLower(filepath.Ext(file)) {
	case ".json", ".svg", ".jsonl":
		return nil
	}
	if file == Stdout {
		return nil
	}
	return errors.New("a file of traces is '-' or ends in .jsonl, .json or .svg")
}

// CheckWritable returns an error for a file that cannot be written. It changes no file and leaves no new one.
func CheckWritable(file string) error {
	if file == Stdout {
		return nil
	}
	created, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		return errors.Join(created.Close(), os.Remove(file))
	}
	info, statErr := os.Stat(file)
	switch {
	case statErr != nil:
		return err
	case !info.Mode().IsRegular() && !info.IsDir(): // opening a pipe would wait for its reader
		return nil
	}
	existing, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return existing.Close()
}

// Write writes traces into a file, in the format that its name has. version is that of the program. Only the user can
// read the file.
func Write(file, version string, traces []trace.Trace) error {
	if err := Check(file); err != nil {
		return err
	}
	var content []byte
	var err error
	switch strings.ToLower(filepath.Ext(file)) {
	case ".json":
		content, err = trace.OTLP(traces, version)
	case ".svg":
		content = picture.Timeline(traces, wayOf(traces))
	default:
		for _, one := range Records(traces) {
			line, encodeErr := json.Marshal(one)
			content, err = append(append(content, line...), '\n'), errors.Join(err, encodeErr)
		}
	}
	if err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o600)
}

// wayOf returns the way of the message if there is one trace, of one message.
func wayOf(traces []trace.Trace) trace.Way {
	if len(traces) != 1 {
		return trace.Way{}
	}
	way := trace.WayOf("", traces, nil, notAsked)
	if !aboutMessage(traces[0], way) {
		return trace.Way{}
	}
	return way
}

// Records returns the records of traces, each with what that trace alone says of its message.
func Records(traces []trace.Trace) (records []record.Trace) {
	for _, t := range traces {
		records = append(records, Record(t, trace.WayOf("", []trace.Trace{t}, nil, notAsked), true))
	}
	return records
}
