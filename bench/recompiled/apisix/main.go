package main

import (
	"net/http"

	pkgHTTP "github.com/apache/apisix-go-plugin-runner/pkg/http"
	"github.com/apache/apisix-go-plugin-runner/pkg/plugin"
	"github.com/apache/apisix-go-plugin-runner/pkg/runner"
)

type header struct {
	plugin.DefaultPlugin
}

func (*header) Name() string { return "header" }

func (*header) ParseConf([]byte) (interface{}, error) { return nil, nil }

func (*header) RequestFilter(_ interface{}, _ http.ResponseWriter, r pkgHTTP.Request) {
	r.RespHeader().Set("X-Go-Wasm", "APISIX")
}

func main() {
	if err := plugin.RegisterPlugin(&header{}); err != nil {
		panic(err)
	}
	runner.Run(runner.RunnerConfig{})
}
