"""Dynamic providers: they submit work to the cluster and wait for it, and never do it themselves."""
