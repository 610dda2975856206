"""Names that are used by a library, not by our own code; dead-code analysis cannot see that."""

import grpc

from dev.engine.language_host import PythonLanguageHost
from dev.toolchain.extracted_packages import ExtractedPackages
from dev.toolchain.postgres_programs import postgres_programs

# Tests and measurements call it.
_FOR_TESTS = (postgres_programs, ExtractedPackages, ExtractedPackages.command)

# The gRPC protocols of the Pulumi engine name these; the library calls them.
_ENGINE_CALLS = (
    PythonLanguageHost.About,
    PythonLanguageHost.Cancel,
    PythonLanguageHost.GetPluginInfo,
    PythonLanguageHost.GetProgramDependencies,
    PythonLanguageHost.GetRequiredPackages,
    PythonLanguageHost.GetRequiredPlugins,
    PythonLanguageHost.Handshake,
    PythonLanguageHost.InstallDependencies,
    PythonLanguageHost.Run,
    PythonLanguageHost.RunPlugin,
    PythonLanguageHost.RuntimeOptionsPrompts,
    PythonLanguageHost.Template,
    grpc.GenericRpcHandler.service,
)
