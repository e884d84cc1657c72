// Build: tinygo build -o plugin.wasm -scheduler=none -target=wasi -no-debug .
//
// trailers reads and edits the trailers of both directions by its configuration:
//
//	{"request":  [{"op": "add", "name": "x-a", "value": "1"}, {"op": "get", "name": "x-sum"}],
//	 "response": [{"op": "add", "name": "x-b", "value": "2", "phase": "response_body_end"}]}
//
// The operations are get, add, replace and remove, and set with "pairs": [["name", "value"], ...], which replaces the
// whole map. One without a phase runs in request_trailers or response_trailers. "phase" names another: request_headers,
// request_body (every call), request_body_end (the call that ends the stream), the same of the response, or log.
// Results are logged as "PHASE: DIRECTION OP NAME: ok" (or the error, or the value found), and every trailer that the
// trailers callbacks see, after the operations, as "request trailer NAME: VALUE".
package main

import (
	"phases"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/valyala/fastjson"
)

func main() {
	phases.Register(func() phases.Handler { return &trailers{} })
}

type operation struct {
	direction, phase, op, name, value string
	pairs                             [][2]string
}

type trailers struct {
	operations []operation
}

func (t *trailers) Configure(configuration *fastjson.Value) error {
	for _, direction := range []string{"request", "response"} {
		for _, item := range configuration.GetArray(direction) {
			t.operations = append(t.operations, parseOperation(direction, item))
		}
	}
	return nil
}

func parseOperation(direction string, item *fastjson.Value) operation {
	o := operation{
		direction: direction,
		phase:     direction + "_trailers",
		op:        string(item.GetStringBytes("op")),
		name:      string(item.GetStringBytes("name")),
		value:     string(item.GetStringBytes("value")),
	}
	if item.Exists("phase") {
		o.phase = string(item.GetStringBytes("phase"))
	}
	for _, pair := range item.GetArray("pairs") {
		o.pairs = append(o.pairs, [2]string{string(pair.GetStringBytes("0")), string(pair.GetStringBytes("1"))})
	}
	return o
}

func (t *trailers) Run(call phases.Call) types.Action {
	t.run(call.Phase)
	switch call.Phase {
	case phases.RequestBody, phases.ResponseBody:
		if call.EndOfStream {
			t.run(call.Phase + "_end")
		}
	case phases.RequestTrailers:
		found, err := proxywasm.GetHttpRequestTrailers()
		logTrailers("request", found, err)
	case phases.ResponseTrailers:
		found, err := proxywasm.GetHttpResponseTrailers()
		logTrailers("response", found, err)
	}
	return types.ActionContinue
}

func logTrailers(direction string, found [][2]string, err error) {
	if err != nil {
		proxywasm.LogInfof("%s trailers: %v", direction, err)
	}
	for _, trailer := range found {
		proxywasm.LogInfof("%s trailer %s: %s", direction, trailer[0], trailer[1])
	}
}

func (t *trailers) run(phase string) {
	for _, o := range t.operations {
		if o.phase == phase {
			proxywasm.LogInfof("%s: %s %s %s: %s", phase, o.direction, o.op, o.name, o.apply())
		}
	}
}

// apply carries the operation out and tells its result in a word.
func (o operation) apply() string {
	found, err := "ok", error(nil)
	request := o.direction == "request"
	switch {
	case o.op == "get" && request:
		found, err = proxywasm.GetHttpRequestTrailer(o.name)
	case o.op == "get":
		found, err = proxywasm.GetHttpResponseTrailer(o.name)
	case o.op == "add" && request:
		err = proxywasm.AddHttpRequestTrailer(o.name, o.value)
	case o.op == "add":
		err = proxywasm.AddHttpResponseTrailer(o.name, o.value)
	case o.op == "replace" && request:
		err = proxywasm.ReplaceHttpRequestTrailer(o.name, o.value)
	case o.op == "replace":
		err = proxywasm.ReplaceHttpResponseTrailer(o.name, o.value)
	case o.op == "remove" && request:
		err = proxywasm.RemoveHttpRequestTrailer(o.name)
	case o.op == "remove":
		err = proxywasm.RemoveHttpResponseTrailer(o.name)
	case o.op == "set" && request:
		err = proxywasm.ReplaceHttpRequestTrailers(o.pairs)
	case o.op == "set":
		err = proxywasm.ReplaceHttpResponseTrailers(o.pairs)
	default:
		return "unknown operation"
	}
	if err != nil {
		return err.Error()
	}
	return found
}
