//go:build tools

// Package tool pins the Pulumi command line that the local stack runs on.
package tool

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
