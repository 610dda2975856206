"""The local platform for development and tests. Never imported by the product."""
