// A runner of APISIX's with one plugin: response-header sets response headers by its configuration,
// {"headers": [{"name": "X-Go-Wasm", "value": "APISIX"}]}, while the request is on its way: one exchange for each.
package main

import (
	"encoding/json"
	"net/http"

	pkgHTTP "github.com/apache/apisix-go-plugin-runner/pkg/http"
	"github.com/apache/apisix-go-plugin-runner/pkg/plugin"
	"github.com/apache/apisix-go-plugin-runner/pkg/runner"
	"go.uber.org/zap/zapcore"
)

type responseHeader struct{ plugin.DefaultPlugin }

type configuration struct {
	Headers []struct{ Name, Value string }
}

func (*responseHeader) Name() string { return "response-header" }

func (*responseHeader) ParseConf(in []byte) (interface{}, error) {
	conf := &configuration{}
	return conf, json.Unmarshal(in, conf)
}

func (*responseHeader) RequestFilter(conf interface{}, _ http.ResponseWriter, request pkgHTTP.Request) {
	for _, each := range conf.(*configuration).Headers {
		request.RespHeader().Set(each.Name, each.Value)
	}
}

func main() {
	if err := plugin.RegisterPlugin(&responseHeader{}); err != nil {
		panic(err)
	}
	runner.Run(runner.RunnerConfig{LogLevel: zapcore.WarnLevel})
}
