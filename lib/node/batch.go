package node

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

// readBatch parses a batch or sequence: 1 to rpc28.MaxBatch requests, none of which may contain requests. One malformed
// request fails all. A sequence ends after the first answer that is not 2xx.
func (n *Node) readBatch(p *parameters, sequence bool) task {
	requests := p.fields["requests"].Array()
	switch {
	case !p.fields["requests"].IsArray() || len(requests) == 0:
		p.fail(`Invalid batch request: no valid "requests" field`)
	case len(requests) > rpc28.MaxBatch:
		p.fail("Invalid batch request: subrequest limit exceeded")
	}
	if p.err != nil {
		return nil
	}
	tasks := make([]task, len(requests))
	for i, request := range requests {
		tasks[i] = n.readSubrequest(p, request, len(requests))
	}
	return func(ctx context.Context) (answer, error) {
		if sequence {
			return jsonAnswer(storage.StatusOK, rpc28.BatchAnswer{Results: n.inSequence(ctx, tasks)})
		}
		return jsonAnswer(storage.StatusOK, rpc28.BatchAnswer{Results: n.atOnce(ctx, tasks)})
	}
}

// metaMethods are the methods that contain other requests.
var metaMethods = []string{rpc28.MethodBatch, rpc28.MethodSequence, rpc28.MethodIfElse}

// readSubrequest parses one of count requests of a batch.
func (n *Node) readSubrequest(p *parameters, request gjson.Result, count int) task {
	if !request.IsObject() {
		p.fail("Invalid batch request: requests must be objects")
	}
	method, params, ok := parsePart(request)
	switch {
	case !ok:
		p.fail("Invalid batch request: subrequests must have method/params keys")
	case slices.Contains(metaMethods, method):
		p.fail("Invalid batch subrequest: subrequests may not contain meta-requests")
	case !n.isMethod28(method):
		p.fail("Invalid batch subrequest: invalid method %s", strconv.Quote(method))
	}
	return n.readPart(p, method, params, count)
}

// parsePart reads method and params of an inner request. It returns false if one is missing.
func parsePart(request gjson.Result) (method string, params fields, ok bool) {
	members, _ := parseFields(request)
	method, err := members.text("method")
	params, ok = parseFields(members["params"])
	return method, params, ok && err == nil
}

// readPart parses the parameters of one of count inner requests, unless p has an error already.
func (n *Node) readPart(p *parameters, method string, params fields, count int) task {
	if p.err != nil {
		return nil
	}
	serve, err := n.read28(method, params, count)
	p.err = err
	return serve
}

func (n *Node) inSequence(ctx context.Context, tasks []task) (results []rpc28.Result) {
	for _, serve := range tasks {
		result := n.part(ctx, serve)
		results = append(results, result)
		if result.Code/100 != 2 || ctx.Err() != nil {
			break
		}
	}
	return results
}

func (n *Node) atOnce(ctx context.Context, tasks []task) []rpc28.Result {
	results := make([]rpc28.Result, len(tasks))
	var running sync.WaitGroup
	for i, serve := range tasks {
		running.Go(func() { results[i] = n.part(ctx, serve) })
	}
	running.Wait()
	return results
}

// part serves an inner request. A text answer becomes a JSON string.
func (n *Node) part(ctx context.Context, serve task) rpc28.Result {
	result, err := serve(ctx)
	if err != nil {
		result = n.failure(ctx, "serving a part of a storage request", err)
	}
	if result.contentType == typeJSON {
		return rpc28.Result{Code: result.status, Body: result.body}
	}
	text := string(result.body)
	if !utf8.ValidString(text) {
		text = ""
	}
	body, _ := json.Marshal(text) // a string always has JSON
	return rpc28.Result{Code: result.status, Body: body}
}

// ifElseAnswer is the 200 of ifelse: the values that the conditions were compared with, whether they hold, and the
// answer to the executed branch, if there is one.
type ifElseAnswer struct {
	Condition bool          `json:"condition"`
	Height    uint64        `json:"height"`
	HardFork  [2]int        `json:"hf"`
	Version   [3]int        `json:"v"`
	Result    *rpc28.Result `json:"result,omitempty"`
}

// readIfElse parses an ifelse request: conditions, a branch that is executed if they hold, and one if they do not.
func (n *Node) readIfElse(p *parameters) task {
	conditions, ok := parseFields(p.fields["if"])
	if !ok {
		p.fail(`Invalid ifelse request: no valid "if" field`)
	}
	holds := n.readConditions(&parameters{fields: conditions}, p)
	var branches [2]task
	for i, name := range []string{"else", "then"} {
		if p.has(name) {
			branches[i] = n.readBranch(p, name)
		}
	}
	if !p.has("then") && !p.has("else") {
		p.fail(`Invalid ifelse request: at least one of "then"/"else" required`)
	}
	return func(ctx context.Context) (answer, error) {
		result := ifElseAnswer{Height: n.members.View().Height, HardFork: hardFork28, Version: n.behaviour.Version}
		serve := branches[0]
		if result.Condition = holds(result.Height); result.Condition {
			serve = branches[1]
		}
		if serve != nil {
			part := n.part(ctx, serve)
			result.Result = &part
		}
		return jsonAnswer(storage.StatusOK, result)
	}
}

// readBranch parses the branch of ifelse called name. It may contain requests.
func (n *Node) readBranch(p *parameters, name string) task {
	if !p.fields[name].IsObject() {
		p.fail("Invalid ifelse request: %s must be an object", name)
	}
	method, params, ok := parsePart(p.fields[name])
	switch {
	case !ok:
		p.fail("Invalid ifelse request: %s must have method/params keys", name)
	case !n.isMethod28(method):
		p.fail("Invalid ifelse request method %q", name)
	}
	return n.readPart(p, method, params, 1)
}

// readConditions parses the conditions of ifelse, at least one, which must all hold. A version is a list of numbers or
// its first number; missing numbers are 0.
func (n *Node) readConditions(conditions, p *parameters) func(height uint64) bool {
	known := map[string][]int64{"hf": toInt64(hardFork28[:]), "v": toInt64(n.behaviour.Version[:])}
	var holding []func(height uint64) bool
	for _, name := range []string{"hf", "v", "height"} {
		for i, suffix := range []string{"_at_least", "_before"} {
			if !conditions.has(name + suffix) {
				continue
			}
			bound := conditions.numbers(name + suffix)
			holding = append(holding, func(height uint64) bool {
				have, ok := known[name]
				if !ok {
					have = []int64{int64(height)}
				}
				return (slices.Compare(padded(have), padded(bound)) >= 0) == (i == 0)
			})
		}
	}
	switch {
	case p.err != nil:
	case conditions.err != nil:
		p.err = conditions.err
	case len(holding) == 0:
		p.fail(`Invalid ifelse request: must specify at least one "if" condition`)
	}
	return func(height uint64) bool {
		return !slices.ContainsFunc(holding, func(holds func(uint64) bool) bool { return !holds(height) })
	}
}

// numbers returns the integers of a list.
func (p *parameters) numbers(name string) (numbers []int64) {
	for _, element := range p.list(name, gjson.Number, "integer array") {
		numbers = append(numbers, element.Int())
	}
	return numbers
}

// versionParts is the number of numbers in a version.
const versionParts = 3

func padded(version []int64) []int64 {
	return append(slices.Clone(version), make([]int64, max(versionParts-len(version), 0))...)[:versionParts]
}

func toInt64(numbers []int) (result []int64) {
	for _, number := range numbers {
		result = append(result, int64(number))
	}
	return result
}
