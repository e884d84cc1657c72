package sluiceway

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
)

// ErrEnded is what a plugin gets that asks for something of an exchange that has ended.
var ErrEnded = errors.New("the exchange has ended")

// rounds are how often the scheduler gets a turn before a task counts as one that waits for time to pass.
const rounds = 16

// maxIdle is how many goroutines are kept for tasks to come.
const maxIdle = 64

// task is a phase of a plugin's as a goroutine. A callback lets goroutines run until its task has finished, waits for
// the host, or gets no further: then it sleeps, or wants a lock of another one. Those go on in the plugin's ticks.
type task struct {
	context  *httpContext
	phase    string
	function func(*Exchange)
	finished bool
	panicked bool
	isLeft   bool // what it has changed was taken over
	isLate   bool // looked after in ticks
	ticks    int  // how often so far, behind the end of the exchange
}

func (c *httpContext) start(t *task, phase string, function func(*Exchange)) *task {
	*t = task{context: c, phase: phase, function: function}
	if last := len(idle) - 1; last >= 0 {
		worker := idle[last]
		idle = idle[:last]
		worker <- t
	} else {
		worker := make(chan *task, 1)
		worker <- t
		go work(worker)
	}
	t.run()
	return t
}

// idle are goroutines that have no task: one keeps the stack that has grown, which a new one has to grow again.
var idle []chan *task

func work(tasks chan *task) {
	for t := range tasks {
		t.perform()
		if len(idle) >= maxIdle {
			return
		}
		idle = append(idle, tasks)
	}
}

func (t *task) perform() {
	defer func() {
		if reason := recover(); reason != nil {
			t.panicked = true
			logPanic(t.phase, reason)
		}
		t.finished = true
	}()
	t.function(t.context.exchange)
}

// run lets goroutines run. There is one thread: what runs is seen as it is when the scheduler returns.
func (t *task) run() {
	e := t.context.exchange
	latest = e
	for range rounds {
		runtime.Gosched()
		if t.finished || e.waiting > 0 {
			return
		}
	}
	t.context.parent.lookAfter(t)
}

// latest is the exchange for which goroutines were last let run.
var latest *Exchange

// ExchangeOf returns the exchange that a context belongs to. For one that says nothing it is that for which goroutines
// were last let run: wrong only for a goroutine that has slept. nil before the first.
func ExchangeOf(ctx context.Context) *Exchange {
	if e, ok := ctx.Value(exchangeKey{}).(*Exchange); ok {
		return e
	}
	return latest
}

// Await blocks a plugin until something of the host's is there; ErrEnded if that does not come.
func (e *Exchange) Await(isThere func() bool) error {
	for !isThere() {
		if e.isOver {
			return ErrEnded
		}
		e.Block()
	}
	return nil
}

// Block blocks a plugin until something of the host's has come.
func (e *Exchange) Block() {
	e.waiting++
	if e.news == nil {
		e.news = make(chan struct{})
	}
	<-e.news
}

// wake lets what waits look again.
func (e *Exchange) wake() {
	e.waiting = 0
	if e.news != nil {
		close(e.news)
		e.news = nil
	}
}

// effective is the id of the context that host calls have now.
var effective uint32

// Turn gives host calls the context of this exchange. A goroutine may run in the callback of another one: after a
// sleep, or because nobody waits for it.
func (e *Exchange) Turn() error {
	if e.isGone {
		return ErrEnded
	}
	return setContext(e.id)
}

func setContext(id uint32) error {
	if id == effective {
		return nil
	}
	if err := proxywasm.SetEffectiveContext(id); err != nil {
		return err
	}
	effective = id
	return nil
}

func logPanic(phase string, reason any) {
	proxywasm.LogCriticalf("panic in %s: %v\n%s", phase, reason, debug.Stack())
}
