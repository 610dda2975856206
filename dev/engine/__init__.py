"""What Pulumi's installer brings and package registries do not: the hosts of the language and of dynamic resources."""
