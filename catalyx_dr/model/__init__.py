"""Value types of the domain: frozen, without I/O."""
