"""One verb each; the only place that joins adapters."""
