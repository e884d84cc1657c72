// Build: tinygo build -o plugin.wasm -scheduler=none -target=wasi -no-debug .
//
// memory_bomb allocates memory, keeps it and never stops, in the phase that its configuration names:
//
//	{"phase": "request_headers", "block": 1048576}
//
// A block is one allocation in bytes. With "header": "x-bomb" only requests that have this header set it off, and with
// "per_call": 4 it allocates four blocks each time and goes on: a leak.
package main

import (
	"phases"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/valyala/fastjson"
)

func main() {
	phases.Register(func() phases.Handler { return &memoryBomb{block: 1 << 20} })
}

type memoryBomb struct {
	phase, header  string
	block, perCall int
}

func (m *memoryBomb) Configure(configuration *fastjson.Value) error {
	m.phase = string(configuration.GetStringBytes("phase"))
	m.header = string(configuration.GetStringBytes("header"))
	m.perCall = configuration.GetInt("per_call")
	if configuration.Exists("block") {
		m.block = configuration.GetInt("block")
	}
	return nil
}

var kept [][]byte // holds on to every block, so that the garbage collector frees none

func (m *memoryBomb) Run(call phases.Call) types.Action {
	if call.Phase != m.phase {
		return types.ActionContinue
	}
	if m.header != "" {
		if _, err := proxywasm.GetHttpRequestHeader(m.header); err != nil {
			return types.ActionContinue
		}
	}
	for n := 0; m.perCall == 0 || n < m.perCall; n++ {
		block := make([]byte, m.block)
		block[0], block[len(block)-1] = 1, 1
		kept = append(kept, block)
	}
	return types.ActionContinue
}
