// Package headers has the same names under the import path of Tyk 2 to 4.
package headers

import "github.com/TykTechnologies/tyk/header"

// Names of fields, and media types.
const (
	Accept                  = header.Accept
	AcceptEncoding          = header.AcceptEncoding
	Authorization           = header.Authorization
	CacheControl            = header.CacheControl
	Connection              = header.Connection
	ContentEncoding         = header.ContentEncoding
	ContentLength           = header.ContentLength
	ContentType             = header.ContentType
	Cookie                  = header.Cookie
	Expires                 = header.Expires
	Host                    = header.Host
	Pragma                  = header.Pragma
	SetCookie               = header.SetCookie
	StrictTransportSecurity = header.StrictTransportSecurity
	TransferEncoding        = header.TransferEncoding
	Upgrade                 = header.Upgrade
	UserAgent               = header.UserAgent
	WWWAuthenticate         = header.WWWAuthenticate
	XAuthResult             = header.XAuthResult
	XContentTypeOptions     = header.XContentTypeOptions
	XForwardFor             = header.XForwardFor
	XForwardProto           = header.XForwardProto
	XFrameOptions           = header.XFrameOptions
	XGenerator              = header.XGenerator
	XInitialURI             = header.XInitialURI
	XRateLimitLimit         = header.XRateLimitLimit
	XRateLimitRemaining     = header.XRateLimitRemaining
	XRateLimitReset         = header.XRateLimitReset
	XRealIP                 = header.XRealIP
	XSessionAlias           = header.XSessionAlias
	XTykAuthorization       = header.XTykAuthorization
	XTykHostname            = header.XTykHostname
	XTykNodeID              = header.XTykNodeID
	XTykNonce               = header.XTykNonce
	XTykSessionID           = header.XTykSessionID
	XXSSProtection          = header.XXSSProtection
	TykHookshot             = header.TykHookshot
	ApplicationJSON         = header.ApplicationJSON
	ApplicationXML          = header.ApplicationXML
	TextXML                 = header.TextXML
)
