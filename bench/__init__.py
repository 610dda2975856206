"""Measurements against peers; each subject is a module with `run()`, each ends in rows under bench/out."""
