"""What Pulumi's installer brings and package registries do not: the language host and the plugins."""
