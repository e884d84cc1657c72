// Package log writes to the gateway's log, which says itself what is to be seen.
package log

import (
	"fmt"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"go.uber.org/zap/zapcore"
)

var lowest = zapcore.DebugLevel

// NewLogger sets the lowest level that is passed on. The output is the gateway's, whatever is given.
func NewLogger(level zapcore.Level, _ zapcore.WriteSyncer) { lowest = level }

// Debugf writes a line of level debug.
func Debugf(template string, args ...interface{}) {
	write(zapcore.DebugLevel, proxywasm.LogDebug, template, args)
}

// Infof writes a line of level info.
func Infof(template string, args ...interface{}) {
	write(zapcore.InfoLevel, proxywasm.LogInfo, template, args)
}

// Warnf writes a line of level warn.
func Warnf(template string, args ...interface{}) {
	write(zapcore.WarnLevel, proxywasm.LogWarn, template, args)
}

// Errorf writes a line of level error.
func Errorf(template string, args ...interface{}) {
	write(zapcore.ErrorLevel, proxywasm.LogError, template, args)
}

// Fatalf writes a line of level critical and ends the plugin, as it ends the runner.
func Fatalf(template string, args ...interface{}) {
	write(zapcore.FatalLevel, proxywasm.LogCritical, template, args)
	panic(fmt.Sprintf(template, args...))
}

func write(level zapcore.Level, line func(string), template string, args []interface{}) {
	if lowest.Enabled(level) {
		if len(args) > 0 {
			template = fmt.Sprintf(template, args...)
		}
		line(template)
	}
}
