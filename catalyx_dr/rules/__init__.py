"""Pure decisions over the model: no I/O, no clock, no network."""
