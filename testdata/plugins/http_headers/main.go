// Build: tinygo build -o plugin.wasm -scheduler=none -target=wasi -no-debug .
//
// http_headers logs all headers of the request and of the response, after it has edited them by its configuration:
//
//	{"request":  [{"op": "replace", "name": "x-a", "value": "1"}, {"op": "get", "name": "x-a"}],
//	 "response": [{"op": "add", "name": "x-b", "value": "2"}, {"op": "remove", "name": "x-b", "phase": "log"}]}
//
// The operations are get, add, replace and remove, and set with "pairs": [["name", "value"], ...], which replaces the
// whole map. One without a phase runs in request_headers or response_headers; "phase" names another of the seven
// (request_headers, request_body, request_trailers, response_headers, response_body, response_trailers, log).
// Each result is logged: "PHASE: DIRECTION OP NAME: ok", or the error in place of ok, or the value that get found.
package main

import (
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/valyala/fastjson"
)

func main() {
	proxywasm.SetVMContext(&vmContext{})
}

type vmContext struct {
	types.DefaultVMContext
}

func (*vmContext) NewPluginContext(uint32) types.PluginContext {
	return &pluginContext{}
}

type operation struct {
	direction, phase, op, name, value string
	pairs                             [][2]string
}

type pluginContext struct {
	types.DefaultPluginContext
	operations []operation
}

func (p *pluginContext) OnPluginStart(size int) types.OnPluginStartStatus {
	if size == 0 {
		return types.OnPluginStartStatusOK
	}
	configuration, err := proxywasm.GetPluginConfiguration()
	if err != nil {
		proxywasm.LogErrorf("reading the configuration: %v", err)
		return types.OnPluginStartStatusFailed
	}
	root, err := fastjson.ParseBytes(configuration)
	if err != nil {
		proxywasm.LogErrorf("decoding the configuration: %v", err)
		return types.OnPluginStartStatusFailed
	}
	for _, direction := range []string{"request", "response"} {
		for _, item := range root.GetArray(direction) {
			p.operations = append(p.operations, parseOperation(direction, item))
		}
	}
	return types.OnPluginStartStatusOK
}

func parseOperation(direction string, item *fastjson.Value) operation {
	o := operation{
		direction: direction,
		phase:     direction + "_headers",
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

func (p *pluginContext) NewHttpContext(uint32) types.HttpContext {
	return &httpContext{plugin: p}
}

type httpContext struct {
	types.DefaultHttpContext
	plugin *pluginContext
}

func (h *httpContext) OnHttpRequestHeaders(int, bool) types.Action {
	h.run("request_headers")
	headers, err := proxywasm.GetHttpRequestHeaders()
	logHeaders("request header -->", headers, err)
	return types.ActionContinue
}

func (h *httpContext) OnHttpRequestBody(int, bool) types.Action {
	h.run("request_body")
	return types.ActionContinue
}

func (h *httpContext) OnHttpRequestTrailers(int) types.Action {
	h.run("request_trailers")
	return types.ActionContinue
}

func (h *httpContext) OnHttpResponseHeaders(int, bool) types.Action {
	h.run("response_headers")
	headers, err := proxywasm.GetHttpResponseHeaders()
	logHeaders("response header <--", headers, err)
	return types.ActionContinue
}

func (h *httpContext) OnHttpResponseBody(int, bool) types.Action {
	h.run("response_body")
	return types.ActionContinue
}

func (h *httpContext) OnHttpResponseTrailers(int) types.Action {
	h.run("response_trailers")
	return types.ActionContinue
}

func (h *httpContext) OnHttpStreamDone() {
	h.run("log")
}

func logHeaders(title string, headers [][2]string, err error) {
	if err != nil {
		proxywasm.LogErrorf("%s %v", title, err)
	}
	for _, header := range headers {
		proxywasm.LogInfof("%s %s: %s", title, header[0], header[1])
	}
}

func (h *httpContext) run(phase string) {
	for _, o := range h.plugin.operations {
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
		found, err = proxywasm.GetHttpRequestHeader(o.name)
	case o.op == "get":
		found, err = proxywasm.GetHttpResponseHeader(o.name)
	case o.op == "add" && request:
		err = proxywasm.AddHttpRequestHeader(o.name, o.value)
	case o.op == "add":
		err = proxywasm.AddHttpResponseHeader(o.name, o.value)
	case o.op == "replace" && request:
		err = proxywasm.ReplaceHttpRequestHeader(o.name, o.value)
	case o.op == "replace":
		err = proxywasm.ReplaceHttpResponseHeader(o.name, o.value)
	case o.op == "remove" && request:
		err = proxywasm.RemoveHttpRequestHeader(o.name)
	case o.op == "remove":
		err = proxywasm.RemoveHttpResponseHeader(o.name)
	case o.op == "set" && request:
		err = proxywasm.ReplaceHttpRequestHeaders(o.pairs)
	case o.op == "set":
		err = proxywasm.ReplaceHttpResponseHeaders(o.pairs)
	default:
		return "unknown operation"
	}
	if err != nil {
		return err.Error()
	}
	return found
}
