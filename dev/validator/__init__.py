"""A stand-in for a Splice validator: validator app, participant and the network's Scan, for development and tests.

It keeps the contract of the real thing where backup and recovery touch it (HTTP interface, names of databases,
tables and environment variables, keys and their fingerprints, order of offsets) and nothing else. The product never
imports it.
"""
