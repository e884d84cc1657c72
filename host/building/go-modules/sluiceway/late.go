package sluiceway

import "github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"

// tickPeriod is how long, in milliseconds, a task sleeps too long at most.
const tickPeriod = 2

// lookAfter has a task that waits for no event of the host's go on in the plugin's ticks.
func (c *pluginContext) lookAfter(t *task) {
	if t.isLate {
		return
	}
	t.isLate = true
	c.late = append(c.late, t)
	if len(c.late) == 1 {
		c.setTick(tickPeriod)
	}
}

func (c *pluginContext) OnTick() {
	effective = c.id
	late := c.late
	c.late = nil
	for _, t := range late {
		t.isLate = false
		if !t.finished {
			t.run() // which looks after it once more, where that is needed
		}
		if t.finished {
			t.context.settle(t)
		}
	}
	if len(c.late) == 0 {
		c.setTick(0)
	}
}

func (c *pluginContext) setTick(milliseconds uint32) {
	err := setContext(c.id)
	if err == nil {
		err = proxywasm.SetTickPeriodMilliSeconds(milliseconds)
	}
	if err != nil {
		proxywasm.LogErrorf("what sleeps in a plugin may not go on: %v", err)
	}
}
