// A runner with plugins for tests: rewrite changes what its configuration says, ask answers with what it has asked for,
// read looks at a request and changes nothing, change does the same with a response.
package main

import (
	"encoding/json"
	"net/http"

	pkgHTTP "github.com/apache/apisix-go-plugin-runner/pkg/http"
	"github.com/apache/apisix-go-plugin-runner/pkg/plugin"
	"github.com/apache/apisix-go-plugin-runner/pkg/runner"
	"go.uber.org/zap/zapcore"
)

type rewrite struct{ plugin.DefaultPlugin }

type changes struct {
	Path     string
	Set      map[string]string
	Delete   []string
	Args     map[string]string
	NoArgs   []string
	Response map[string]string
}

func (*rewrite) Name() string { return "rewrite" }

func (*rewrite) ParseConf(in []byte) (interface{}, error) {
	conf := &changes{}
	return conf, json.Unmarshal(in, conf)
}

func (*rewrite) RequestFilter(conf interface{}, _ http.ResponseWriter, request pkgHTTP.Request) {
	wanted := conf.(*changes)
	if wanted.Path != "" {
		request.SetPath([]byte(wanted.Path))
	}
	for name, value := range wanted.Set {
		request.Header().Set(name, value)
	}
	for _, name := range wanted.Delete {
		request.Header().Del(name)
	}
	for name, value := range wanted.Args {
		request.Args().Set(name, value)
	}
	for _, name := range wanted.NoArgs {
		request.Args().Del(name)
	}
	for name, value := range wanted.Response {
		request.RespHeader().Set(name, value)
	}
}

type ask struct{ plugin.DefaultPlugin }

func (*ask) Name() string { return "ask" }

func (*ask) ParseConf(in []byte) (interface{}, error) {
	var names []string
	return &names, json.Unmarshal(in, &names)
}

func (*ask) RequestFilter(conf interface{}, writer http.ResponseWriter, request pkgHTTP.Request) {
	found := map[string]string{"source": request.SrcIP().String(), "method": request.Method(), "path": string(request.Path())}
	for _, name := range *conf.(*[]string) {
		value, err := request.Var(name)
		if err != nil {
			found[name] = "error: " + err.Error()
		} else {
			found[name] = string(value)
		}
	}
	body, err := request.Body()
	if err != nil {
		found["body"] = "error: " + err.Error()
	} else {
		found["body"] = string(body)
	}
	text, _ := json.Marshal(found)
	writer.Header().Set("Content-Type", "application/json")
	_, _ = writer.Write(text)
}

type read struct{ plugin.DefaultPlugin }

func (*read) Name() string { return "read" }

func (*read) ParseConf(in []byte) (interface{}, error) { return nil, nil }

func (*read) RequestFilter(_ interface{}, _ http.ResponseWriter, request pkgHTTP.Request) {
	_ = request.Header().Get("Cookie")
	_ = request.Args().Get("x")
}

type change struct{ plugin.DefaultPlugin }

func (*change) Name() string { return "change" }

func (*change) ParseConf(in []byte) (interface{}, error) {
	conf := &struct{ Status int }{}
	return conf, json.Unmarshal(in, conf)
}

func (*change) ResponseFilter(conf interface{}, response pkgHTTP.Response) {
	response.Header().Set("X-Seen", response.Header().Get("Content-Type"))
	if status := conf.(*struct{ Status int }).Status; status != 0 {
		response.WriteHeader(status)
	}
}

func main() {
	for _, each := range []plugin.Plugin{&rewrite{}, &ask{}, &read{}, &change{}} {
		if err := plugin.RegisterPlugin(each); err != nil {
			panic(err)
		}
	}
	runner.Run(runner.RunnerConfig{LogLevel: zapcore.WarnLevel})
}
