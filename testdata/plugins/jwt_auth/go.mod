module jwt_auth

go 1.24

require (
	github.com/golang-jwt/jwt/v5 v5.3.0
	github.com/proxy-wasm/proxy-wasm-go-sdk v0.0.0-20250212164326-ab4161dcf924
)
