"""Diagnoses: rules over facts that were collected from a live cluster, each with cause and remedy."""
