// Build: tinygo build -o plugin.wasm -scheduler=none -target=wasi -no-debug .
//
// hostcalls_count makes a known number of host calls in a phase, and no others there:
//
//	{"phase": "request_headers", "calls": {"proxy_get_header_map_value": 20, "proxy_log": 3}}
//
// The calls are those named in the table below; they address the maps and the buffer of the request, or in phases of the
// response those of the response. They run in the order of the configuration.
package main

import (
	"errors"
	"strings"

	"phases"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/valyala/fastjson"
)

func main() {
	phases.Register(func() phases.Handler { return &hostcallsCount{} })
}

type repeated struct {
	call  hostcall
	times int
}

type hostcallsCount struct {
	phase string
	calls []repeated
}

func (h *hostcallsCount) Configure(configuration *fastjson.Value) error {
	h.phase = string(configuration.GetStringBytes("phase"))
	var unknown error
	configuration.GetObject("calls").Visit(func(name []byte, times *fastjson.Value) {
		call, known := hostcalls[string(name)]
		if !known {
			unknown = errors.New("unknown call " + string(name))
		}
		h.calls = append(h.calls, repeated{call, times.GetInt()})
	})
	return unknown
}

func (h *hostcallsCount) Run(call phases.Call) types.Action {
	if call.Phase != h.phase {
		return types.ActionContinue
	}
	response := strings.HasPrefix(call.Phase, "response")
	for _, r := range h.calls {
		one := r.call.request
		if response {
			one = r.call.response
		}
		for n := 0; n < r.times; n++ {
			one()
		}
	}
	return types.ActionContinue
}

type hostcall struct {
	request, response func()
}

func both(call func()) hostcall { return hostcall{call, call} }

// The results do not matter: a call that fails is a call too.
var hostcalls = map[string]hostcall{
	"proxy_log":                          both(func() { proxywasm.LogInfo("counted") }),
	"proxy_get_property":                 both(func() { proxywasm.GetProperty([]string{"request", "path"}) }),
	"proxy_set_property":                 both(func() { proxywasm.SetProperty([]string{"counted"}, []byte("1")) }),
	"proxy_set_tick_period_milliseconds": both(func() { proxywasm.SetTickPeriodMilliSeconds(0) }),
	"proxy_get_header_map_pairs": {
		func() { proxywasm.GetHttpRequestHeaders() },
		func() { proxywasm.GetHttpResponseHeaders() },
	},
	"proxy_get_header_map_value": {
		func() { proxywasm.GetHttpRequestHeader(":path") },
		func() { proxywasm.GetHttpResponseHeader(":status") },
	},
	"proxy_add_header_map_value": {
		func() { proxywasm.AddHttpRequestHeader("x-added", "1") },
		func() { proxywasm.AddHttpResponseHeader("x-added", "1") },
	},
	"proxy_replace_header_map_value": {
		func() { proxywasm.ReplaceHttpRequestHeader("x-replaced", "1") },
		func() { proxywasm.ReplaceHttpResponseHeader("x-replaced", "1") },
	},
	"proxy_remove_header_map_value": {
		func() { proxywasm.RemoveHttpRequestHeader("x-absent") },
		func() { proxywasm.RemoveHttpResponseHeader("x-absent") },
	},
	"proxy_get_buffer_bytes": {
		func() { proxywasm.GetHttpRequestBody(0, 16) },
		func() { proxywasm.GetHttpResponseBody(0, 16) },
	},
	"proxy_set_buffer_bytes": {
		func() { proxywasm.AppendHttpRequestBody([]byte("+")) },
		func() { proxywasm.AppendHttpResponseBody([]byte("+")) },
	},
}
