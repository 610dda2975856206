"""Pulumi components: how a protected validator looks in a cluster and at a store."""
