package sluiceway

import "github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"

// tickPeriod is how long, in milliseconds, a task sleeps too long at most.
const tickPeriod = 2

// maxTicks is how often a task is looked after whose exchange has ended: half a minute.
const maxTicks = 30_000 / tickPeriod

// lookAfter has a task that waits for no event of the host's go on in the plugin's ticks.
func (c *pluginContext) lookAfter(t *task) {
	if t.context.exchange.isGone {
		t.ticks++
	}
	if t.isLate || t.ticks > maxTicks {
		return
	}
	t.isLate = true
	c.late = append(c.late, t)
	c.setTick(tickPeriod)
}

// inTick has a function called in the next tick, where it has the context of the plugin, which outlives exchanges.
func (c *pluginContext) inTick(function func()) {
	c.jobs = append(c.jobs, function)
	c.setTick(tickPeriod)
}

func (c *pluginContext) OnTick() {
	effective = c.id
	late, jobs := c.late, c.jobs
	c.late, c.jobs = nil, nil
	for _, function := range jobs {
		function()
	}
	for _, t := range late {
		t.isLate = false
		if !t.finished {
			t.run() // which looks after it once more, where that is needed
		}
		if t.finished {
			t.context.settle(t)
		}
	}
	if len(c.late) == 0 && len(c.jobs) == 0 {
		c.setTick(0)
	}
}

func (c *pluginContext) setTick(milliseconds uint32) {
	if milliseconds == c.tick {
		return
	}
	c.tick = milliseconds
	err := setContext(c.id)
	if err == nil {
		err = proxywasm.SetTickPeriodMilliSeconds(milliseconds)
	}
	if err != nil {
		proxywasm.LogErrorf("what sleeps in a plugin may not go on: %v", err)
	}
}
