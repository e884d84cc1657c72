// Build: tinygo build -o plugin.wasm -scheduler=none -target=wasi -no-debug .
//
// endless_loop never returns from the phase that its configuration names:
//
//	{"phase": "request_headers", "kind": "compute"}
//
// The kinds: compute (the default) stays inside the guest, hostcalls asks the host for a header again and again, log
// writes log lines. With "header": "x-loop" only requests that have this header loop, others pass.
package main

import (
	"errors"

	"phases"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/valyala/fastjson"
)

func main() {
	phases.Register(func() phases.Handler { return &endlessLoop{body: compute} })
}

type endlessLoop struct {
	phase, header string
	body          func()
}

func (e *endlessLoop) Configure(configuration *fastjson.Value) error {
	e.phase = string(configuration.GetStringBytes("phase"))
	e.header = string(configuration.GetStringBytes("header"))
	switch kind := string(configuration.GetStringBytes("kind")); kind {
	case "", "compute":
	case "hostcalls":
		e.body = func() { proxywasm.GetHttpRequestHeader(":path") }
	case "log":
		e.body = func() { proxywasm.LogInfo("still here") }
	default:
		return errors.New("unknown kind " + kind)
	}
	return nil
}

func (e *endlessLoop) Run(call phases.Call) types.Action {
	if call.Phase != e.phase {
		return types.ActionContinue
	}
	if e.header != "" {
		if _, err := proxywasm.GetHttpRequestHeader(e.header); err != nil {
			return types.ActionContinue
		}
	}
	for {
		e.body()
	}
}

var turns uint32 // a global, so that the compiler cannot drop the loop

func compute() { turns++ }
