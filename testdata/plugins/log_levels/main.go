// Build: tinygo build -o plugin.wasm -scheduler=none -target=wasi -no-debug .
//
// log_levels writes a line of each of the six levels in every phase, "LEVEL in PHASE" (see the package phases), and a
// line to stdout and to stderr. {"phases": ["request_headers", "tick"], "tick_period_milliseconds": 20} names the phases
// that do so, and starts ticks; {"text": "..."} replaces the lines' text.
package main

import (
	"os"

	"phases"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/valyala/fastjson"
)

func main() {
	phases.Register(func() phases.Handler { return &logLevels{} })
}

type logLevels struct {
	only map[string]bool // every phase when nil
	text string
}

func (l *logLevels) Configure(configuration *fastjson.Value) error {
	l.text = string(configuration.GetStringBytes("text"))
	if configuration.Exists("phases") {
		l.only = map[string]bool{}
	}
	for _, phase := range configuration.GetArray("phases") {
		l.only[string(phase.GetStringBytes())] = true
	}
	return nil
}

var levels = []struct {
	name string
	log  func(string)
}{
	{"trace", proxywasm.LogTrace},
	{"debug", proxywasm.LogDebug},
	{"info", proxywasm.LogInfo},
	{"warn", proxywasm.LogWarn},
	{"error", proxywasm.LogError},
	{"critical", proxywasm.LogCritical},
	{"stdout", func(text string) { os.Stdout.WriteString(text + "\n") }},
	{"stderr", func(text string) { os.Stderr.WriteString(text + "\n") }},
}

func (l *logLevels) Run(call phases.Call) types.Action {
	if l.only != nil && !l.only[call.Phase] {
		return types.ActionContinue
	}
	for _, level := range levels {
		if l.text != "" {
			level.log(l.text)
		} else {
			level.log(level.name + " in " + call.Phase)
		}
	}
	return types.ActionContinue
}
