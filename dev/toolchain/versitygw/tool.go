//go:build tools

// Package tool pins the S3-compatible store of the local stack.
package tool

import _ "github.com/versity/versitygw/cmd/versitygw"
