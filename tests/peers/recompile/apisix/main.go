// A runner of APISIX, as its authors lay one out: plugins in a package of their own, a main that serves.
package main

import (
	"os"

	_ "example.test/runner/plugins"
	"github.com/apache/apisix-go-plugin-runner/pkg/log"
	"github.com/apache/apisix-go-plugin-runner/pkg/runner"
	"go.uber.org/zap/zapcore"
)

func main() {
	if len(os.Args) < 2 || os.Args[1] != "run" {
		log.Fatalf("usage: runner run")
	}
	runner.Run(runner.RunnerConfig{LogLevel: zapcore.InfoLevel, LogOutput: os.Stdout})
	panic("Run returns when the server ends")
}
