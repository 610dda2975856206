"""Names that are used by a library, not by our own code; dead-code analysis cannot see that."""
