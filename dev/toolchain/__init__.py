"""The programs of the local platform: Go tools built from their modules, and Debian packages."""

from dev.toolchain.go_tools import COREDNS, KUBERNETES, PULUMI, VERSITYGW, GoTool, kubectl, pulumi

__all__ = ["COREDNS", "KUBERNETES", "PULUMI", "VERSITYGW", "GoTool", "kubectl", "pulumi"]
