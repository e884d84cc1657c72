// Build: tinygo build -o plugin.wasm -scheduler=none -target=wasi -no-debug .
//
// trap traps in the phase, and in the way, that its configuration names:
//
//	{"phase": "request_headers", "kind": "panic"}
//
// The phases are those of the package phases, and delete. The kinds: panic (the default), index (out of range),
// nil (dereference), divide (by zero), unreachable, recursion (until the stack is used up), exit (proc_exit with 3).
// With "header": "x-trap" only requests that have this header trap in request_headers, others pass.
package main

import (
	"errors"
	"os"
	_ "unsafe" // for go:linkname

	"phases"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/valyala/fastjson"
)

func main() {
	phases.Register(func() phases.Handler { return &trap{kind: "panic"} })
}

type trap struct {
	phase, kind, header string
}

func (t *trap) Configure(configuration *fastjson.Value) error {
	t.phase = string(configuration.GetStringBytes("phase"))
	t.header = string(configuration.GetStringBytes("header"))
	if configuration.Exists("kind") {
		t.kind = string(configuration.GetStringBytes("kind"))
	}
	if _, known := kinds[t.kind]; !known {
		return errors.New("unknown kind " + t.kind)
	}
	return nil
}

func (t *trap) Run(call phases.Call) types.Action {
	if call.Phase == phases.Log && t.phase == "delete" {
		deleteContext(call.ContextID)
	}
	if call.Phase != t.phase {
		return types.ActionContinue
	}
	if t.header != "" {
		if _, err := proxywasm.GetHttpRequestHeader(t.header); err != nil {
			return types.ActionContinue
		}
	}
	kinds[t.kind]()
	return types.ActionContinue
}

// deleteContext is the SDK's proxy_on_delete. A plugin of this SDK has no say in that callback, but the SDK panics there
// when it does not know the context: so this makes it forget the context before the host deletes it.
//
//go:linkname deleteContext proxy_on_delete
func deleteContext(contextID uint32)

//export llvm.trap
func llvmTrap()

// Values the compiler cannot see through, so that it keeps the faults below.
var (
	numbers = []int{1, 2, 3}
	nobody  *trap
	zero    int
	depth   [1]int
)

var kinds map[string]func()

func init() {
	kinds = map[string]func(){
		"panic":       func() { panic("trap: panic asked for by the configuration") },
		"index":       func() { numbers[0] = numbers[len(os.Args)+len(numbers)] },
		"nil":         func() { nobody.phase = "reached" },
		"divide":      func() { numbers[0] = numbers[1] / zero },
		"unreachable": func() { llvmTrap() },
		"recursion":   func() { depth[0] = recurse(1) },
		"exit":        func() { os.Exit(3) },
	}
}

//go:noinline
func recurse(n int) int {
	local := [64]int{n}
	depth[0] += n
	return recurse(n+1) + local[n%64]
}
