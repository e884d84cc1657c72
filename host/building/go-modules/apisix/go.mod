module github.com/apache/apisix-go-plugin-runner

go 1.24

require (
	github.com/proxy-wasm/proxy-wasm-go-sdk v0.0.0-20250212164326-ab4161dcf924
	go.uber.org/zap v1.27.0
	sluiceway v0.0.0
)
