// Program pulumi-resource-kubernetes is Pulumi's own Kubernetes plugin, built from its Go module: no package registry
// carries it as a program. Its schema is laid beside this file by the build; the module has it under another name.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

//go:embed schema.json
var schema []byte

func main() {
	provider.Serve("kubernetes", version.Version, schema, nil)
}
