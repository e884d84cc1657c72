module sluiceway

go 1.24

require (
	0sluiceway v0.0.0
	github.com/proxy-wasm/proxy-wasm-go-sdk v0.0.0-20250212164326-ab4161dcf924
)
