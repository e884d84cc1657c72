// Build: tinygo build -o plugin.wasm -scheduler=none -target=wasi -no-debug .
//
// rate_limit counts requests in shared data, so that all workers, and all machines behind one store, share one limit:
// at most `count` requests in `time_window` seconds for each value of `key`. The window begins with its first request.
//
//	{"count": 100, "time_window": 60, "key_type": "var", "key": "http_x_api_key", "group": "api",
//	 "rejected_code": 429, "rejected_msg": "slow down", "allow_degradation": false, "show_limit_quota_header": true}
//
// The keys are those of APISIX's limit-count. `key` is remote_addr (the default), http_NAME for the header NAME, or, with
// the key_type "constant", a text: one limit for everybody. Requests without the header share one limit. Configurations
// with the same `group` share their counters. When the store does not answer, allow_degradation lets requests pass.
package main

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/valyala/fastjson"
)

// Somebody else has written between a read and a write at most this often before the store is taken for out of order.
const attempts = 64

// A cas of 0 overwrites whatever is there; any other fits a key that is still absent, and no value that was set since.
const absent = math.MaxUint32

func main() {
	proxywasm.SetVMContext(&vmContext{})
}

type vmContext struct {
	types.DefaultVMContext
}

func (*vmContext) NewPluginContext(uint32) types.PluginContext {
	return &pluginContext{}
}

type pluginContext struct {
	types.DefaultPluginContext
	count            uint32
	window           int64 // nanoseconds
	constant         bool
	key, group       string
	rejectedCode     uint32
	rejectedBody     []byte
	allowDegradation bool
	showQuota        bool
}

func (p *pluginContext) OnPluginStart(int) types.OnPluginStartStatus {
	configuration, err := proxywasm.GetPluginConfiguration()
	if err == nil {
		err = p.configure(configuration)
	}
	if err != nil {
		proxywasm.LogErrorf("the configuration: %v", err)
		return types.OnPluginStartStatusFailed
	}
	return types.OnPluginStartStatusOK
}

func (p *pluginContext) configure(configuration []byte) error {
	root, err := fastjson.ParseBytes(configuration)
	if err != nil {
		return err
	}
	p.count = uint32(root.GetUint("count"))
	p.window = int64(root.GetFloat64("time_window") * 1e9)
	if p.count == 0 || p.window <= 0 {
		return errors.New("count and time_window are needed, and positive")
	}
	p.group = string(root.GetStringBytes("group"))
	p.key = string(root.GetStringBytes("key"))
	p.constant = string(root.GetStringBytes("key_type")) == "constant"
	if p.key == "" {
		p.key = "remote_addr"
	}
	if !p.constant && p.key != "remote_addr" && !strings.HasPrefix(p.key, "http_") {
		return errors.New("key is neither remote_addr nor http_NAME: " + p.key)
	}
	p.rejectedCode = uint32(root.GetUint("rejected_code"))
	if p.rejectedCode == 0 {
		p.rejectedCode = 429
	}
	p.rejectedBody = append([]byte(nil), root.GetStringBytes("rejected_msg")...)
	p.allowDegradation = root.GetBool("allow_degradation")
	p.showQuota = !root.Exists("show_limit_quota_header") || root.GetBool("show_limit_quota_header")
	return nil
}

func (p *pluginContext) NewHttpContext(uint32) types.HttpContext {
	return &httpContext{plugin: p}
}

type httpContext struct {
	types.DefaultHttpContext
	plugin *pluginContext
	quota  quota
	told   bool // the response is the plugin's own, and has the quota already
}

func (h *httpContext) OnHttpRequestHeaders(int, bool) types.Action {
	p := h.plugin
	quota, err := p.take("rate_limit/" + p.group + "/" + p.subject())
	if err != nil {
		proxywasm.LogErrorf("counting: %v", err)
		if p.allowDegradation {
			h.told = true
			return types.ActionContinue
		}
		return h.answer(500, nil, nil)
	}
	h.quota = quota
	if quota.exceeded {
		headers := [][2]string{{"retry-after", strconv.Itoa(quota.reset)}}
		if p.showQuota {
			headers = append(headers, quota.headers(p.count)...)
		}
		return h.answer(p.rejectedCode, headers, p.rejectedBody)
	}
	return types.ActionContinue
}

func (h *httpContext) answer(code uint32, headers [][2]string, body []byte) types.Action {
	h.told = true
	if err := proxywasm.SendHttpResponse(code, headers, body, -1); err != nil {
		proxywasm.LogErrorf("answering: %v", err)
	}
	return types.ActionPause
}

func (h *httpContext) OnHttpResponseHeaders(int, bool) types.Action {
	if h.told || !h.plugin.showQuota {
		return types.ActionContinue
	}
	for _, header := range h.quota.headers(h.plugin.count) {
		if err := proxywasm.ReplaceHttpResponseHeader(header[0], header[1]); err != nil {
			proxywasm.LogErrorf("%s: %v", header[0], err)
		}
	}
	return types.ActionContinue
}

// subject is what has a limit of its own.
func (p *pluginContext) subject() string {
	if p.constant {
		return p.key
	}
	if p.key != "remote_addr" {
		name := strings.ReplaceAll(strings.TrimPrefix(p.key, "http_"), "_", "-")
		value, err := proxywasm.GetHttpRequestHeader(name)
		if err != nil {
			return ""
		}
		return value
	}
	address, err := proxywasm.GetProperty([]string{"source", "address"})
	if err != nil {
		return ""
	}
	host := string(address)
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 {
		host = host[:colon]
	}
	return host
}

type quota struct {
	exceeded  bool
	remaining uint32
	reset     int // seconds, rounded up
}

func (q quota) headers(count uint32) [][2]string {
	return [][2]string{
		{"x-ratelimit-limit", strconv.Itoa(int(count))},
		{"x-ratelimit-remaining", strconv.Itoa(int(q.remaining))},
		{"x-ratelimit-reset", strconv.Itoa(q.reset)},
	}
}

// take counts one request. A counter is 12 bytes: the beginning of its window in nanoseconds, and the requests since.
func (p *pluginContext) take(key string) (quota, error) {
	for range attempts {
		value, cas, err := proxywasm.GetSharedData(key)
		if errors.Is(err, types.ErrorStatusNotFound) {
			cas = absent
		} else if err != nil {
			return quota{}, err
		}
		now := time.Now().UnixNano()
		began, used := now, uint32(0)
		if len(value) == 12 {
			if start := int64(binary.LittleEndian.Uint64(value)); now < start+p.window && start <= now {
				began, used = start, binary.LittleEndian.Uint32(value[8:])
			}
		}
		reset := int((began + p.window - now + 999_999_999) / 1_000_000_000)
		if used >= p.count {
			return quota{exceeded: true, reset: reset}, nil
		}
		next := make([]byte, 12)
		binary.LittleEndian.PutUint64(next, uint64(began))
		binary.LittleEndian.PutUint32(next[8:], used+1)
		err = proxywasm.SetSharedData(key, next, cas)
		if err == nil {
			return quota{remaining: p.count - used - 1, reset: reset}, nil
		}
		if !errors.Is(err, types.ErrorStatusCasMismatch) {
			return quota{}, err
		}
	}
	return quota{}, types.ErrorStatusCasMismatch
}
