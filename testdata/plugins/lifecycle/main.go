// Build: tinygo build -o plugin.wasm -scheduler=none -target=wasi -no-debug .
//
// lifecycle logs every callback of the ABI with its arguments, in order: "proxy_on_request_headers(2, 5, 1)". It takes
// no SDK, since an SDK answers some of them by itself, and no configuration: it always answers continue, true or done.
package main

import (
	"strconv"
	"unsafe"
)

//go:wasmimport env proxy_log
func proxyLog(level uint32, message unsafe.Pointer, size uint32) uint32

const info = 2

func called(name string, arguments ...uint32) {
	line := append([]byte(name), '(')
	for i, argument := range arguments {
		if i > 0 {
			line = append(line, ", "...)
		}
		line = strconv.AppendUint(line, uint64(argument), 10)
	}
	line = append(line, ')')
	proxyLog(info, unsafe.Pointer(&line[0]), uint32(len(line)))
}

func main() { called("_start") }

//export proxy_abi_version_0_2_1
func abiVersion() {}

//export proxy_on_context_create
func onContextCreate(context, parent uint32) { called("proxy_on_context_create", context, parent) }

//export proxy_on_vm_start
func onVMStart(root, size uint32) uint32 {
	called("proxy_on_vm_start", root, size)
	return 1
}

//export proxy_on_configure
func onConfigure(root, size uint32) uint32 {
	called("proxy_on_configure", root, size)
	return 1
}

//export proxy_on_tick
func onTick(root uint32) { called("proxy_on_tick", root) }

//export proxy_on_queue_ready
func onQueueReady(root, queue uint32) { called("proxy_on_queue_ready", root, queue) }

//export proxy_on_foreign_function
func onForeignFunction(context, function, size uint32) {
	called("proxy_on_foreign_function", context, function, size)
}

//export proxy_on_new_connection
func onNewConnection(context uint32) uint32 {
	called("proxy_on_new_connection", context)
	return 0
}

//export proxy_on_downstream_data
func onDownstreamData(context, size, end uint32) uint32 {
	called("proxy_on_downstream_data", context, size, end)
	return 0
}

//export proxy_on_upstream_data
func onUpstreamData(context, size, end uint32) uint32 {
	called("proxy_on_upstream_data", context, size, end)
	return 0
}

//export proxy_on_downstream_connection_close
func onDownstreamConnectionClose(context, peer uint32) {
	called("proxy_on_downstream_connection_close", context, peer)
}

//export proxy_on_upstream_connection_close
func onUpstreamConnectionClose(context, peer uint32) {
	called("proxy_on_upstream_connection_close", context, peer)
}

//export proxy_on_request_headers
func onRequestHeaders(context, count, end uint32) uint32 {
	called("proxy_on_request_headers", context, count, end)
	return 0
}

//export proxy_on_request_body
func onRequestBody(context, size, end uint32) uint32 {
	called("proxy_on_request_body", context, size, end)
	return 0
}

//export proxy_on_request_trailers
func onRequestTrailers(context, count uint32) uint32 {
	called("proxy_on_request_trailers", context, count)
	return 0
}

//export proxy_on_request_metadata
func onRequestMetadata(context, count uint32) uint32 {
	called("proxy_on_request_metadata", context, count)
	return 0
}

//export proxy_on_response_headers
func onResponseHeaders(context, count, end uint32) uint32 {
	called("proxy_on_response_headers", context, count, end)
	return 0
}

//export proxy_on_response_body
func onResponseBody(context, size, end uint32) uint32 {
	called("proxy_on_response_body", context, size, end)
	return 0
}

//export proxy_on_response_trailers
func onResponseTrailers(context, count uint32) uint32 {
	called("proxy_on_response_trailers", context, count)
	return 0
}

//export proxy_on_response_metadata
func onResponseMetadata(context, count uint32) uint32 {
	called("proxy_on_response_metadata", context, count)
	return 0
}

//export proxy_on_http_call_response
func onHTTPCallResponse(root, call, headers, size, trailers uint32) {
	called("proxy_on_http_call_response", root, call, headers, size, trailers)
}

//export proxy_on_grpc_receive_initial_metadata
func onGRPCReceiveInitialMetadata(root, call, count uint32) {
	called("proxy_on_grpc_receive_initial_metadata", root, call, count)
}

//export proxy_on_grpc_receive
func onGRPCReceive(root, call, size uint32) { called("proxy_on_grpc_receive", root, call, size) }

//export proxy_on_grpc_receive_trailing_metadata
func onGRPCReceiveTrailingMetadata(root, call, count uint32) {
	called("proxy_on_grpc_receive_trailing_metadata", root, call, count)
}

//export proxy_on_grpc_close
func onGRPCClose(root, call, status uint32) { called("proxy_on_grpc_close", root, call, status) }

//export proxy_on_done
func onDone(context uint32) uint32 {
	called("proxy_on_done", context)
	return 1
}

//export proxy_on_log
func onLog(context uint32) { called("proxy_on_log", context) }

//export proxy_on_delete
func onDelete(context uint32) { called("proxy_on_delete", context) }
