"""Pulumi dynamic providers: recoveries as resources, done by Jobs in the cluster."""
