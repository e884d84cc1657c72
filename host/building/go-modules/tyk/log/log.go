// Package log gives plugins the logger that they have in Tyk: one of logrus, which writes to the gateway's log.
package log

import (
	"io"
	"strings"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/sirupsen/logrus"
)

var logger = newLogger()

// Get returns the logger.
func Get() *logrus.Logger { return logger }

func newLogger() *logrus.Logger {
	made := logrus.New()
	made.SetOutput(io.Discard)
	made.SetLevel(logrus.TraceLevel) // what is to be seen is for the gateway to say
	made.SetFormatter(nothing{})
	made.AddHook(hook{format: &logrus.TextFormatter{DisableColors: true, DisableTimestamp: true}})
	return made
}

// nothing formats nothing: the hook has written the line.
type nothing struct{}

func (nothing) Format(*logrus.Entry) ([]byte, error) { return nil, nil }

type hook struct {
	format *logrus.TextFormatter
}

func (hook) Levels() []logrus.Level { return logrus.AllLevels }

func (h hook) Fire(entry *logrus.Entry) error {
	text := entry.Message
	if len(entry.Data) > 0 {
		fields, err := h.format.Format(entry)
		if err != nil {
			return err
		}
		_, rest, _ := strings.Cut(string(fields), " ") // behind level=…
		text = strings.TrimRight(rest, "\n")
	}
	switch entry.Level {
	case logrus.TraceLevel:
		proxywasm.LogTrace(text)
	case logrus.DebugLevel:
		proxywasm.LogDebug(text)
	case logrus.InfoLevel:
		proxywasm.LogInfo(text)
	case logrus.WarnLevel:
		proxywasm.LogWarn(text)
	case logrus.ErrorLevel:
		proxywasm.LogError(text)
	default:
		proxywasm.LogCritical(text)
	}
	return nil
}
