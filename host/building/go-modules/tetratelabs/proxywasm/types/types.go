// Package types is that of today's SDK under the import path that it had before it moved.
package types

import "github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"

// Contexts, and what their callbacks return.
type (
	Action               = types.Action
	DefaultHttpContext   = types.DefaultHttpContext
	DefaultPluginContext = types.DefaultPluginContext
	DefaultTcpContext    = types.DefaultTcpContext
	DefaultVMContext     = types.DefaultVMContext
	HttpContext          = types.HttpContext
	HttpContextFactory   = types.HttpContextFactory
	OnPluginStartStatus  = types.OnPluginStartStatus
	OnVMStartStatus      = types.OnVMStartStatus
	PeerType             = types.PeerType
	PluginContext        = types.PluginContext
	PluginContextFactory = types.PluginContextFactory
	TcpContext           = types.TcpContext
	TcpContextFactory    = types.TcpContextFactory
	VMContext            = types.VMContext
)

// Values of these.
const (
	ActionContinue            = types.ActionContinue
	ActionPause               = types.ActionPause
	OnPluginStartStatusOK     = types.OnPluginStartStatusOK
	OnPluginStartStatusFailed = types.OnPluginStartStatusFailed
	OnVMStartStatusOK         = types.OnVMStartStatusOK
	OnVMStartStatusFailed     = types.OnVMStartStatusFailed
	PeerTypeUnknown           = types.PeerTypeUnknown
	PeerTypeLocal             = types.PeerTypeLocal
	PeerTypeRemote            = types.PeerTypeRemote
)

// Errors of host calls.
var (
	ErrorStatusNotFound    = types.ErrorStatusNotFound
	ErrorStatusBadArgument = types.ErrorStatusBadArgument
	ErrorStatusEmpty       = types.ErrorStatusEmpty
	ErrorStatusCasMismatch = types.ErrorStatusCasMismatch
	ErrorInternalFailure   = types.ErrorInternalFailure
	ErrorUnimplemented     = types.ErrorUnimplemented
)
