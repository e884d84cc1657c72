// Package runner stands in for the runner's server: the gateway calls the plugins, and there is nothing to listen on.
package runner

import (
	"sluiceway"

	"github.com/apache/apisix-go-plugin-runner/pkg/log"
	"go.uber.org/zap/zapcore"

	// A main that registers nothing itself still has to be a plugin.
	_ "github.com/apache/apisix-go-plugin-runner/pkg/plugin"
)

// RunnerConfig says what to log. The lines go to the gateway's log, not to LogOutput.
type RunnerConfig struct {
	LogLevel  zapcore.Level
	LogOutput zapcore.WriteSyncer
}

// Run ends what main does at the start of a plugin: it never returns, as a runner's that serves.
func Run(cfg RunnerConfig) {
	log.NewLogger(cfg.LogLevel, cfg.LogOutput)
	sluiceway.Serve()
}
