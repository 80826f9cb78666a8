package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sessiontool/lib/record"
)

// This file puts the errors of Go's libraries into the words of a user, who knows JSON and flags but no Go types.

// JSONProblem describes an error of package json.
func JSONProblem(err error) string {
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		name := "it"
		if wrong.Field != "" {
			name = wrong.Field
		}
		return fmt.Sprintf("%s is %s, not %s", name, foundWord(wrong.Value), wantedWord(wrong.Type))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends too early"
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

// foundWord describes a JSON value that package json names.
func foundWord(value string) string {
	kind, rest, _ := strings.Cut(value, " ")
	switch {
	case kind == "number" && rest != "":
		return "the number " + rest
	case kind == "string":
		return "a text"
	case kind == "array" && strings.HasPrefix(rest, "with "):
		return "a list with " + foundWord(strings.TrimPrefix(rest, "with ")) + " in it"
	case kind == "array":
		return "a list"
	case kind == "object":
		return "an object"
	case kind == "bool":
		return "true or false"
	}
	return "a " + kind
}

// wantedWord describes the values of a type.
func wantedWord(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[record.Word]():
		return "a text or a number"
	case reflect.TypeFor[record.Recipients]():
		return "a text or a list of texts"
	}
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Float64:
		return "a number"
	case reflect.Struct, reflect.Map, reflect.Pointer:
		return "an object"
	}
	return "a whole number that fits"
}

// FlagProblem returns the error of a flag of a command that cannot be parsed, for a user.
func FlagProblem(cmd *cobra.Command, err error) error {
	if cmd.HasSubCommands() && cmd.Flags().NArg() > 0 { // the flag of a command that there is not
		return UnknownCommand(cmd, cmd.Flags().Arg(0))
	}
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		return UsageError(errors.New(unknownFlag(cmd, unknown)))
	}
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return UsageError(err)
	}
	flag := invalid.GetFlag()
	return UsageError(fmt.Errorf("--%s %q: %s", flag.Name, invalid.GetValue(), valueProblem(flag.Value.Type(), invalid)))
}

// valueProblem describes why a value of a type of pflag cannot be parsed.
func valueProblem(kind string, err error) string {
	switch kind {
	case "duration":
		if !strings.Contains(err.Error(), "time: ") {
			break
		}
		return "it is no time with a unit, such as 10s, 2m or 24h"
	case "int", "int64", "uint", "uint16", "uint64", "count":
		if strings.Contains(err.Error(), "strconv.") {
			return "it is no whole number that fits"
		}
	case "bool":
		return "it is neither true nor false"
	case "float64":
		return "it is no number"
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err.Error()
}
