"""A development stand-in of Pulumi's Kubernetes plugin, for machines that cannot download the official one.

It accepts exactly what the official SDK sends and keeps state in the official form, so that either plugin can
continue where the other left off. Charts, YAML files, Patch and List kinds are refused.
"""
