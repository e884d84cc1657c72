package sluiceway

import (
	"errors"
	"runtime/debug"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
)

// ErrEnded is what a plugin gets that waits for something as the exchange ends.
var ErrEnded = errors.New("the exchange has ended")

// task runs a function of a plugin's in a goroutine that takes turns with the callbacks of its exchange: either runs
// while the other waits, so that host calls always meet the context that they belong to.
type task struct {
	turn     chan struct{}
	yielded  chan bool
	finished bool
	ended    bool
	panicked bool
}

// current is the task whose turn it is; nil in callbacks that run none.
var current *task

func start(what string, function func()) *task {
	t := &task{turn: make(chan struct{}), yielded: make(chan bool)}
	go func() {
		defer func() {
			if reason := recover(); reason != nil {
				t.panicked = true
				logPanic(what, reason)
			}
			t.yielded <- true
		}()
		<-t.turn
		function()
	}()
	t.resume()
	return t
}

// resume gives the task its turn, until it waits or has finished.
func (t *task) resume() {
	before := current
	current = t
	t.turn <- struct{}{}
	t.finished = <-t.yielded
	current = before
}

// wait ends the turn of the task, from within; false once there is nothing more to wait for.
func (t *task) wait() bool {
	if t.ended {
		return false
	}
	t.yielded <- false
	<-t.turn
	return !t.ended
}

// end lets a task that waits run to its end, whatever it waits for.
func (t *task) end() {
	t.ended = true
	for !t.finished {
		t.resume()
	}
}

func logPanic(what string, reason any) {
	proxywasm.LogCriticalf("panic in %s: %v\n%s", what, reason, debug.Stack())
}
