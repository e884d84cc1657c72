// Package common has what several packages of the runner return.
package common

import "errors"

// ErrConnClosed is what a plugin gets that asks for something of an exchange that has ended.
var ErrConnClosed = errors.New("The connection is closed")
