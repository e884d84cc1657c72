// Build: tinygo build -o plugin.wasm -scheduler=none -target=wasi -no-debug .
//
// properties reads and sets properties in the phases that its configuration names:
//
//	{"get": [{"phase": "request_headers", "path": ["request", "path"]}],
//	 "set": [{"phase": "request_headers", "path": ["wasm_state"], "value": "v"}]}
//
// What is set in a phase is set before anything is read. Each result is logged, "PHASE: get request.path = HEX", with
// the bytes of the value in hexadecimal, or "PHASE: get request.path: ERROR". Results up to response_headers are also
// fields of the response: x-property: request.path=HEX.
package main

import (
	"encoding/hex"
	"strings"

	"phases"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/valyala/fastjson"
)

func main() {
	phases.Register(func() phases.Handler { return &properties{results: map[uint32][]string{}} })
}

type property struct {
	phase string
	path  []string
	value []byte
}

type properties struct {
	get, set []property
	results  map[uint32][]string // of each stream, until its response headers
}

func (p *properties) Configure(configuration *fastjson.Value) error {
	p.get = parse(configuration.GetArray("get"))
	p.set = parse(configuration.GetArray("set"))
	return nil
}

func parse(items []*fastjson.Value) []property {
	var properties []property
	for _, item := range items {
		entry := property{
			phase: string(item.GetStringBytes("phase")),
			value: append([]byte(nil), item.GetStringBytes("value")...),
		}
		for _, segment := range item.GetArray("path") {
			entry.path = append(entry.path, string(segment.GetStringBytes()))
		}
		properties = append(properties, entry)
	}
	return properties
}

func (p *properties) Run(call phases.Call) types.Action {
	var results []string
	for _, entry := range p.set {
		if entry.phase == call.Phase {
			results = append(results, entry.doSet())
		}
	}
	for _, entry := range p.get {
		if entry.phase == call.Phase {
			results = append(results, entry.doGet())
		}
	}
	switch call.Phase {
	case phases.RequestHeaders, phases.RequestBody, phases.RequestTrailers:
		p.results[call.ContextID] = append(p.results[call.ContextID], results...)
	case phases.ResponseHeaders:
		for _, result := range append(p.results[call.ContextID], results...) {
			if err := proxywasm.AddHttpResponseHeader("x-property", result); err != nil {
				proxywasm.LogErrorf("x-property: %v", err)
			}
		}
	case phases.Log:
		delete(p.results, call.ContextID)
	}
	return types.ActionContinue
}

func (p property) doSet() string {
	name := strings.Join(p.path, ".")
	if err := proxywasm.SetProperty(p.path, p.value); err != nil {
		proxywasm.LogInfof("%s: set %s: %v", p.phase, name, err)
		return "set " + name + ": " + err.Error()
	}
	proxywasm.LogInfof("%s: set %s: ok", p.phase, name)
	return "set " + name + ": ok"
}

func (p property) doGet() string {
	name := strings.Join(p.path, ".")
	value, err := proxywasm.GetProperty(p.path)
	if err != nil {
		proxywasm.LogInfof("%s: get %s: %v", p.phase, name, err)
		return name + ": " + err.Error()
	}
	text := hex.EncodeToString(value)
	proxywasm.LogInfof("%s: get %s = %s", p.phase, name, text)
	return name + "=" + text
}
