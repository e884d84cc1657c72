// Package proxywasm is that of today's SDK under the import path that it had before it moved. What was written for TinyGo
// and that path compiles with Go's own compiler so.
package proxywasm

import "github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"

// Types of metrics.
type (
	MetricCounter   = proxywasm.MetricCounter
	MetricGauge     = proxywasm.MetricGauge
	MetricHistogram = proxywasm.MetricHistogram
)

// The calls of the host, and what a plugin registers.
var (
	AddHttpRequestHeader        = proxywasm.AddHttpRequestHeader
	AddHttpRequestTrailer       = proxywasm.AddHttpRequestTrailer
	AddHttpResponseHeader       = proxywasm.AddHttpResponseHeader
	AddHttpResponseTrailer      = proxywasm.AddHttpResponseTrailer
	AppendDownstreamData        = proxywasm.AppendDownstreamData
	AppendHttpRequestBody       = proxywasm.AppendHttpRequestBody
	AppendHttpResponseBody      = proxywasm.AppendHttpResponseBody
	AppendUpstreamData          = proxywasm.AppendUpstreamData
	CallForeignFunction         = proxywasm.CallForeignFunction
	CloseDownstream             = proxywasm.CloseDownstream
	CloseUpstream               = proxywasm.CloseUpstream
	ContinueTcpStream           = proxywasm.ContinueTcpStream
	DefineCounterMetric         = proxywasm.DefineCounterMetric
	DefineGaugeMetric           = proxywasm.DefineGaugeMetric
	DefineHistogramMetric       = proxywasm.DefineHistogramMetric
	DequeueSharedQueue          = proxywasm.DequeueSharedQueue
	DispatchHttpCall            = proxywasm.DispatchHttpCall
	EnqueueSharedQueue          = proxywasm.EnqueueSharedQueue
	GetDownstreamData           = proxywasm.GetDownstreamData
	GetHttpCallResponseBody     = proxywasm.GetHttpCallResponseBody
	GetHttpCallResponseHeaders  = proxywasm.GetHttpCallResponseHeaders
	GetHttpCallResponseTrailers = proxywasm.GetHttpCallResponseTrailers
	GetHttpRequestBody          = proxywasm.GetHttpRequestBody
	GetHttpRequestHeader        = proxywasm.GetHttpRequestHeader
	GetHttpRequestHeaders       = proxywasm.GetHttpRequestHeaders
	GetHttpRequestTrailer       = proxywasm.GetHttpRequestTrailer
	GetHttpRequestTrailers      = proxywasm.GetHttpRequestTrailers
	GetHttpResponseBody         = proxywasm.GetHttpResponseBody
	GetHttpResponseHeader       = proxywasm.GetHttpResponseHeader
	GetHttpResponseHeaders      = proxywasm.GetHttpResponseHeaders
	GetHttpResponseTrailer      = proxywasm.GetHttpResponseTrailer
	GetHttpResponseTrailers     = proxywasm.GetHttpResponseTrailers
	GetPluginConfiguration      = proxywasm.GetPluginConfiguration
	GetProperty                 = proxywasm.GetProperty
	GetPropertyMap              = proxywasm.GetPropertyMap
	GetSharedData               = proxywasm.GetSharedData
	GetUpstreamData             = proxywasm.GetUpstreamData
	GetVMConfiguration          = proxywasm.GetVMConfiguration
	LogCritical                 = proxywasm.LogCritical
	LogCriticalf                = proxywasm.LogCriticalf
	LogDebug                    = proxywasm.LogDebug
	LogDebugf                   = proxywasm.LogDebugf
	LogError                    = proxywasm.LogError
	LogErrorf                   = proxywasm.LogErrorf
	LogInfo                     = proxywasm.LogInfo
	LogInfof                    = proxywasm.LogInfof
	LogTrace                    = proxywasm.LogTrace
	LogTracef                   = proxywasm.LogTracef
	LogWarn                     = proxywasm.LogWarn
	LogWarnf                    = proxywasm.LogWarnf
	PluginDone                  = proxywasm.PluginDone
	PrependDownstreamData       = proxywasm.PrependDownstreamData
	PrependHttpRequestBody      = proxywasm.PrependHttpRequestBody
	PrependHttpResponseBody     = proxywasm.PrependHttpResponseBody
	PrependUpstreamData         = proxywasm.PrependUpstreamData
	RegisterSharedQueue         = proxywasm.RegisterSharedQueue
	RemoveHttpRequestHeader     = proxywasm.RemoveHttpRequestHeader
	RemoveHttpRequestTrailer    = proxywasm.RemoveHttpRequestTrailer
	RemoveHttpResponseHeader    = proxywasm.RemoveHttpResponseHeader
	RemoveHttpResponseTrailer   = proxywasm.RemoveHttpResponseTrailer
	ReplaceDownstreamData       = proxywasm.ReplaceDownstreamData
	ReplaceHttpRequestBody      = proxywasm.ReplaceHttpRequestBody
	ReplaceHttpRequestHeader    = proxywasm.ReplaceHttpRequestHeader
	ReplaceHttpRequestHeaders   = proxywasm.ReplaceHttpRequestHeaders
	ReplaceHttpRequestTrailer   = proxywasm.ReplaceHttpRequestTrailer
	ReplaceHttpRequestTrailers  = proxywasm.ReplaceHttpRequestTrailers
	ReplaceHttpResponseBody     = proxywasm.ReplaceHttpResponseBody
	ReplaceHttpResponseHeader   = proxywasm.ReplaceHttpResponseHeader
	ReplaceHttpResponseHeaders  = proxywasm.ReplaceHttpResponseHeaders
	ReplaceHttpResponseTrailer  = proxywasm.ReplaceHttpResponseTrailer
	ReplaceHttpResponseTrailers = proxywasm.ReplaceHttpResponseTrailers
	ReplaceUpstreamData         = proxywasm.ReplaceUpstreamData
	ResolveSharedQueue          = proxywasm.ResolveSharedQueue
	ResumeHttpRequest           = proxywasm.ResumeHttpRequest
	ResumeHttpResponse          = proxywasm.ResumeHttpResponse
	SendHttpResponse            = proxywasm.SendHttpResponse
	SetEffectiveContext         = proxywasm.SetEffectiveContext
	SetHttpContext              = proxywasm.SetHttpContext
	SetPluginContext            = proxywasm.SetPluginContext
	SetProperty                 = proxywasm.SetProperty
	SetSharedData               = proxywasm.SetSharedData
	SetTcpContext               = proxywasm.SetTcpContext
	SetTickPeriodMilliSeconds   = proxywasm.SetTickPeriodMilliSeconds
	SetVMContext                = proxywasm.SetVMContext
)
