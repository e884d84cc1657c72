// Build: tinygo build -o plugin.wasm -scheduler=none -target=wasi -no-debug .
//
// pause_resume holds a stream in the phases that its configuration names, and lets it go on as told:
//
//	{"pause": ["request_headers", "response_headers"], "resume": "tick", "tick_period_milliseconds": 20}
//
// The phases: request and response headers, body and trailers. "resume" is one of
//
//	tick          a tick makes the stream its effective context and resumes it (the default)
//	never         nothing resumes it
//	at_once       it is resumed in the callback that pauses it
//	early         it is resumed in a callback that does not pause, before the next one pauses
//	answer        a tick sends a local response to it (202, body "answered by a tick\n")
//	end           bodies only: every piece pauses, but for the last
//
// With "ticks": 3 a stream is held for three ticks. Each step is logged: "PHASE: pause", "resume request: ok" ...
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
	phases.Register(func() phases.Handler {
		return &pauseResume{pause: map[string]bool{}, resume: "tick", ticks: 1, held: map[uint32]*held{}}
	})
}

type held struct {
	direction string // request or response
	ticks     int    // still to wait
}

type pauseResume struct {
	pause  map[string]bool
	resume string
	ticks  int
	held   map[uint32]*held
}

func (p *pauseResume) Configure(configuration *fastjson.Value) error {
	for _, phase := range configuration.GetArray("pause") {
		p.pause[string(phase.GetStringBytes())] = true
	}
	if configuration.Exists("ticks") {
		p.ticks = configuration.GetInt("ticks")
	}
	if configuration.Exists("resume") {
		p.resume = string(configuration.GetStringBytes("resume"))
	}
	switch p.resume {
	case "tick", "never", "at_once", "early", "answer", "end":
		return nil
	}
	return errors.New("unknown resume " + p.resume)
}

func (p *pauseResume) Run(call phases.Call) types.Action {
	switch call.Phase {
	case phases.Tick:
		p.onTick()
		return types.ActionContinue
	case phases.Log:
		delete(p.held, call.ContextID)
	}
	direction, _, _ := strings.Cut(call.Phase, "_")
	if !p.pause[call.Phase] {
		if p.resume == "early" && (direction == "request" || direction == "response") {
			resume(direction)
		}
		return types.ActionContinue
	}
	if p.resume == "end" && call.EndOfStream {
		proxywasm.LogInfof("%s: continue with %d bytes", call.Phase, call.Size)
		return types.ActionContinue
	}
	proxywasm.LogInfof("%s: pause", call.Phase)
	switch p.resume {
	case "at_once":
		resume(direction)
	case "tick", "answer":
		p.held[call.ContextID] = &held{direction: direction, ticks: p.ticks}
	}
	return types.ActionPause
}

func (p *pauseResume) onTick() {
	for contextID, stream := range p.held {
		if stream.ticks--; stream.ticks > 0 {
			continue
		}
		delete(p.held, contextID)
		if err := proxywasm.SetEffectiveContext(contextID); err != nil {
			proxywasm.LogErrorf("tick: context %d: %v", contextID, err)
			continue
		}
		if p.resume == "answer" {
			err := proxywasm.SendHttpResponse(202, nil, []byte("answered by a tick\n"), -1)
			logResult("answer", err)
		} else {
			resume(stream.direction)
		}
	}
}

func resume(direction string) {
	if direction == "request" {
		logResult("resume request", proxywasm.ResumeHttpRequest())
	} else {
		logResult("resume response", proxywasm.ResumeHttpResponse())
	}
}

func logResult(what string, err error) {
	if err != nil {
		proxywasm.LogErrorf("%s: %v", what, err)
		return
	}
	proxywasm.LogInfof("%s: ok", what)
}
