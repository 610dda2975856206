"""Python language host of the Pulumi engine: serves `LanguageRuntime` to the engine that starts it.

It stands in for `pulumi-language-python` of the official installer, which no package registry carries, and
follows its behaviour as far as this project needs it: running programs, policy packs and source plugins.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import grpc
from google.protobuf import empty_pb2, json_format
from pulumi.runtime.proto import language_pb2 as language
from pulumi.runtime.proto import language_pb2_grpc, plugin_pb2

from dev.engine.child_processes import ChildProcesses
from dev.engine.plugin_runner import run_plugin
from dev.engine.plugin_server import MAX_MESSAGE_BYTES, serve_until_ended
from dev.engine.policy_pack import run_policy_pack

HOST_VERSION = "3.259.0"
PROGRAM_RUNNER = Path(__file__).with_name("program_runner.py")
ALREADY_REPORTED = 32


class MissingInterpreterError(Exception):
    """The environment that Pulumi.yaml names for the program has no Python."""


def program_interpreter(info: language.ProgramInfo) -> str:
    """Return the Python that runs a program: option `virtualenv` of Pulumi.yaml if set, else this host's own.

    Raises MissingInterpreterError when the named environment does not exist.
    """
    options = json_format.MessageToDict(info.options)
    environment = options.get("virtualenv") or (".venv" if options.get("toolchain") == "uv" else None)
    if not environment:
        return sys.executable
    python = Path(info.root_directory, environment, "bin", "python")
    if not python.exists():
        raise MissingInterpreterError(
            f"Pulumi.yaml option virtualenv is {environment!r}, but {python} does not exist. "
            f"Create it with `python3 -m venv {python.parent.parent}` and install the requirements there."
        )
    return str(python)


# Methods are named by the protocol.
# ruff: noqa: N802


class PythonLanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Answers the engine; every process it starts ends with the call, with Cancel, or with the host."""

    def __init__(self, engine_address: str) -> None:
        self._engine_address = engine_address
        self._children = ChildProcesses()

    def end_children(self) -> None:
        """End every running program and plugin."""
        self._children.end_all()

    def Handshake(
        self, request: language.LanguageHandshakeRequest, context: grpc.ServicerContext
    ) -> language.LanguageHandshakeResponse:
        """Learn the engine's address."""
        self._engine_address = request.engine_address or self._engine_address
        return language.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Report the engine version whose host this one follows."""
        return plugin_pb2.PluginInfo(version=HOST_VERSION)

    def GetRequiredPlugins(
        self, request: language.GetRequiredPluginsRequest, context: grpc.ServicerContext
    ) -> language.GetRequiredPluginsResponse:
        """Require nothing ahead: the engine finds plugins when the program registers resources."""
        return language.GetRequiredPluginsResponse()

    def GetRequiredPackages(
        self, request: language.GetRequiredPackagesRequest, context: grpc.ServicerContext
    ) -> language.GetRequiredPackagesResponse:
        """Require nothing ahead, for the same reason; a requirement would start a download."""
        return language.GetRequiredPackagesResponse()

    def GetProgramDependencies(
        self, request: language.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> language.GetProgramDependenciesResponse:
        """List no dependencies; only `pulumi about` asks."""
        return language.GetProgramDependenciesResponse()

    def RuntimeOptionsPrompts(
        self, request: language.RuntimeOptionsRequest, context: grpc.ServicerContext
    ) -> language.RuntimeOptionsResponse:
        """Ask nothing when a project is created."""
        return language.RuntimeOptionsResponse()

    def Template(self, request: language.TemplateRequest, context: grpc.ServicerContext) -> language.TemplateResponse:
        """Leave a new project as its template has it."""
        return language.TemplateResponse()

    def About(self, request: language.AboutRequest, context: grpc.ServicerContext) -> language.AboutResponse:
        """Name the program's interpreter and its version."""
        python = _interpreter_or_abort(request.info, context)
        answer = subprocess.run([python, "--version"], capture_output=True, text=True, check=True)
        return language.AboutResponse(executable=python, version=answer.stdout.removeprefix("Python ").strip())

    def InstallDependencies(
        self, request: language.InstallDependenciesRequest, context: grpc.ServicerContext
    ) -> Iterator[language.InstallDependenciesResponse]:
        """Install the program's requirements.txt, if there is one, into the program's environment."""
        requirements = Path(request.info.program_directory, "requirements.txt")
        if not requirements.exists():
            return
        python = _interpreter_or_abort(request.info, context)
        command = [python, "-m", "pip", "install", "--requirement", str(requirements)]
        for answer in run_plugin(command, dict(os.environ), requirements.parent, self._children, context):
            if answer.WhichOneof("output") == "exitcode" and answer.exitcode:
                context.abort(grpc.StatusCode.INTERNAL, f"{' '.join(command)} failed with code {answer.exitcode}")
            yield language.InstallDependenciesResponse(stdout=answer.stdout, stderr=answer.stderr)

    def RunPlugin(
        self, request: language.RunPluginRequest, context: grpc.ServicerContext
    ) -> Iterator[language.RunPluginResponse]:
        """Run a policy pack (kind `analyzer`) or a provider from source, passing its output on."""
        python = _interpreter_or_abort(request.info, context)
        environment = dict(entry.split("=", 1) for entry in request.env) or dict(os.environ)
        folder = Path(request.info.program_directory)
        if request.kind == "analyzer":
            command = [python, "-u", "-m", "pulumi.policy", *request.args, str(folder)]
            return run_policy_pack(command, environment, folder, self._children, context)
        command = [python, "-u", str(folder), *request.args]
        return run_plugin(command, environment, Path(request.pwd), self._children, context)

    def Run(self, request: language.RunRequest, context: grpc.ServicerContext) -> language.RunResponse:
        """Run the program to its end in a child process."""
        try:
            python = program_interpreter(request.info)
        except MissingInterpreterError as error:
            return language.RunResponse(error=str(error))
        environment = {
            **os.environ,
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
        }
        child = self._children.start(
            [python, "-u", str(PROGRAM_RUNNER), json.dumps(self._run_settings(request))],
            env=environment,
            cwd=request.info.program_directory,
        )
        context.add_callback(lambda: self._children.end(child))
        code = child.wait()
        self._children.forget(child)
        if code == 0:
            return language.RunResponse()
        if code == ALREADY_REPORTED:
            return language.RunResponse(bail=True)
        return language.RunResponse(error=f"program exited with non-zero exit code: {code}")

    def _run_settings(self, request: language.RunRequest) -> dict[str, object]:
        return {
            "project": request.project,
            "stack": request.stack,
            "organization": request.organization,
            "monitor": request.monitor_address,
            "engine": self._engine_address,
            "parallel": request.parallel,
            "dry_run": request.dryRun,
            "root_directory": request.info.root_directory,
            "program": str(Path(request.info.program_directory, request.info.entry_point or ".").resolve()),
            "arguments": list(request.args),
        }

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """End what runs."""
        self.end_children()
        return empty_pb2.Empty()


def _interpreter_or_abort(info: language.ProgramInfo, context: grpc.ServicerContext) -> str:
    try:
        return program_interpreter(info)
    except MissingInterpreterError as error:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))


def main() -> None:
    """Serve until the engine ends or interrupts this process; the port is the first line of the output."""
    positional = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    host = PythonLanguageHost(engine_address=positional[0] if positional else "")
    options = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=options)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    serve_until_ended(server)
    host.end_children()
    # Threads of running calls would keep the interpreter; the engine has nothing left to hear from them.
    os._exit(0)
