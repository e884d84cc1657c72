// Build: tinygo build -o plugin.wasm -scheduler=none -target=wasi -no-debug .
//
// ticks counts the ticks of its plugin context and logs each, "tick N":
//
//	{"tick_period_milliseconds": 20, "stop_after": 3}
//
// "stop_after" sets the period to 0 in that tick. "change": {"at": 2, "period": 50} sets another period in the second.
// "from_request": 20 sets the period in request_headers, from the stream's context. A response carries x-ticks, the
// count when its headers came.
package main

import (
	"strconv"

	"phases"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/valyala/fastjson"
)

func main() {
	phases.Register(func() phases.Handler { return &ticks{} })
}

type ticks struct {
	count, stopAfter, changeAt int
	changeTo, fromRequest      uint32
}

func (t *ticks) Configure(configuration *fastjson.Value) error {
	t.stopAfter = configuration.GetInt("stop_after")
	t.changeAt = configuration.GetInt("change", "at")
	t.changeTo = uint32(configuration.GetUint("change", "period"))
	t.fromRequest = uint32(configuration.GetUint("from_request"))
	return nil
}

func (t *ticks) Run(call phases.Call) types.Action {
	switch call.Phase {
	case phases.Tick:
		t.onTick()
	case phases.RequestHeaders:
		if t.fromRequest > 0 {
			setPeriod(t.fromRequest)
		}
	case phases.ResponseHeaders:
		if err := proxywasm.ReplaceHttpResponseHeader("x-ticks", strconv.Itoa(t.count)); err != nil {
			proxywasm.LogErrorf("x-ticks: %v", err)
		}
	}
	return types.ActionContinue
}

func (t *ticks) onTick() {
	t.count++
	proxywasm.LogInfof("tick %d", t.count)
	if t.count == t.changeAt {
		setPeriod(t.changeTo)
	}
	if t.count == t.stopAfter {
		setPeriod(0)
	}
}

func setPeriod(milliseconds uint32) {
	if err := proxywasm.SetTickPeriodMilliSeconds(milliseconds); err != nil {
		proxywasm.LogErrorf("period %d: %v", milliseconds, err)
		return
	}
	proxywasm.LogInfof("period %d: ok", milliseconds)
}
