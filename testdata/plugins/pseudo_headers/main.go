// Build: tinygo build -o plugin.wasm -scheduler=none -target=wasi -no-debug .
//
// pseudo_headers reads the pseudo-header fields of the request and of the response and edits them by its configuration:
//
//	{"request":  {"replace": {":path": "/new?x=1", ":method": "POST", ":authority": "other.test"}, "remove": [":scheme"]},
//	 "response": {"replace": {":status": "201"}, "remove": [":status"]}}
//
// "add" takes the same form as "replace". Order: add, replace, remove, read. Each step is logged and becomes a field of
// the response: "x-pseudo: replace :path: ok", "x-pseudo: read :path: /new?x=1".
package main

import (
	"phases"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/valyala/fastjson"
)

func main() {
	phases.Register(func() phases.Handler { return &pseudoHeaders{results: map[uint32][]string{}} })
}

type edits struct {
	add, replace [][2]string
	remove       []string
}

// fieldsOf is the header map of one direction.
type fieldsOf struct {
	get          func(name string) (string, error)
	add, replace func(name, value string) error
	remove       func(name string) error
	names        []string
}

var (
	request = fieldsOf{
		proxywasm.GetHttpRequestHeader, proxywasm.AddHttpRequestHeader, proxywasm.ReplaceHttpRequestHeader,
		proxywasm.RemoveHttpRequestHeader, []string{":method", ":path", ":authority", ":scheme", "host"},
	}
	response = fieldsOf{
		proxywasm.GetHttpResponseHeader, proxywasm.AddHttpResponseHeader, proxywasm.ReplaceHttpResponseHeader,
		proxywasm.RemoveHttpResponseHeader, []string{":status"},
	}
)

type pseudoHeaders struct {
	request, response edits
	results           map[uint32][]string // of each stream, until its response headers
}

func (p *pseudoHeaders) Configure(configuration *fastjson.Value) error {
	p.request = parseEdits(configuration.Get("request"))
	p.response = parseEdits(configuration.Get("response"))
	return nil
}

func parseEdits(item *fastjson.Value) edits {
	var e edits
	if item == nil {
		return e
	}
	e.add = parsePairs(item.GetObject("add"))
	e.replace = parsePairs(item.GetObject("replace"))
	for _, name := range item.GetArray("remove") {
		e.remove = append(e.remove, string(name.GetStringBytes()))
	}
	return e
}

func parsePairs(object *fastjson.Object) [][2]string {
	var pairs [][2]string
	if object != nil {
		object.Visit(func(name []byte, value *fastjson.Value) {
			pairs = append(pairs, [2]string{string(name), string(value.GetStringBytes())})
		})
	}
	return pairs
}

func (p *pseudoHeaders) Run(call phases.Call) types.Action {
	switch call.Phase {
	case phases.RequestHeaders:
		p.results[call.ContextID] = p.request.apply(request)
	case phases.ResponseHeaders:
		for _, result := range append(p.results[call.ContextID], p.response.apply(response)...) {
			if err := proxywasm.AddHttpResponseHeader("x-pseudo", result); err != nil {
				proxywasm.LogErrorf("x-pseudo: %v", err)
			}
		}
	case phases.Log:
		delete(p.results, call.ContextID)
	}
	return types.ActionContinue
}

func (e edits) apply(fields fieldsOf) []string {
	var results []string
	report := func(step, name, value string, err error) {
		if err != nil {
			value = err.Error()
		}
		proxywasm.LogInfof("%s %s: %s", step, name, value)
		results = append(results, step+" "+name+": "+value)
	}
	for _, pair := range e.add {
		report("add", pair[0], "ok", fields.add(pair[0], pair[1]))
	}
	for _, pair := range e.replace {
		report("replace", pair[0], "ok", fields.replace(pair[0], pair[1]))
	}
	for _, name := range e.remove {
		report("remove", name, "ok", fields.remove(name))
	}
	for _, name := range fields.names {
		value, err := fields.get(name)
		report("read", name, value, err)
	}
	return results
}
