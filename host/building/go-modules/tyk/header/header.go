// Package header has names of header fields, as Tyk 5 names them.
package header

// Names of fields.
const (
	Accept                  = "Accept"
	AcceptEncoding          = "Accept-Encoding"
	Authorization           = "Authorization"
	CacheControl            = "Cache-Control"
	Connection              = "Connection"
	ContentEncoding         = "Content-Encoding"
	ContentLength           = "Content-Length"
	ContentType             = "Content-Type"
	Cookie                  = "Cookie"
	Expires                 = "Expires"
	Host                    = "Host"
	Pragma                  = "Pragma"
	SecWebSocketKey         = "Sec-WebSocket-Key"
	SecWebSocketProtocol    = "Sec-WebSocket-Protocol"
	SecWebSocketVersion     = "Sec-WebSocket-Version"
	SetCookie               = "Set-Cookie"
	StrictTransportSecurity = "Strict-Transport-Security"
	TransferEncoding        = "Transfer-Encoding"
	Upgrade                 = "Upgrade"
	UserAgent               = "User-Agent"
	WWWAuthenticate         = "WWW-Authenticate"
	XAuthResult             = "X-Auth-Result"
	XContentTypeOptions     = "X-Content-Type-Options"
	XForwardFor             = "X-Forwarded-For"
	XForwardProto           = "X-Forwarded-Proto"
	XFrameOptions           = "X-Frame-Options"
	XGenerator              = "X-Generator"
	XInitialURI             = "X-Initial-URI"
	XRateLimitLimit         = "X-RateLimit-Limit"
	XRateLimitRemaining     = "X-RateLimit-Remaining"
	XRateLimitReset         = "X-RateLimit-Reset"
	XRealIP                 = "X-Real-IP"
	XSessionAlias           = "X-Session-Alias"
	XTykAuthorization       = "X-Tyk-Authorization"
	XTykHostname            = "x-tyk-hostname"
	XTykNodeID              = "x-tyk-nodeid"
	XTykNonce               = "x-tyk-nonce"
	XTykSessionID           = "x-tyk-session-id"
	XXSSProtection          = "X-XSS-Protection"
	TykHookshot             = "Tyk-Hookshot"
)

// Media types.
const (
	ApplicationJSON    = "application/json"
	ApplicationXML     = "application/xml"
	ApplicationSoapXML = "application/soap+xml"
	TextXML            = "text/xml"
)
