"""Runs a Pulumi program in its own interpreter; the language host starts it with its settings as JSON.

Exit codes: 0 for success, 32 when the error was already reported to the engine, 1 for everything else.
"""

import asyncio
import ctypes
import json
import logging
import os
import runpy
import signal
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

try:
    import pulumi
    import pulumi.runtime
except ImportError as missing:
    sys.exit(
        f"{sys.executable} cannot import the Pulumi SDK ({missing}). "
        "Install the project's requirements into it, or set `virtualenv` in Pulumi.yaml."
    )

ALREADY_REPORTED = 32
_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux' prctl


@dataclass(frozen=True)
class ProgramRun:
    """Settings of one run, as the language host sends them."""

    project: str
    stack: str
    organization: str
    monitor: str
    engine: str
    parallel: int
    dry_run: bool
    root_directory: str
    program: str
    arguments: list[str]


def main() -> int:
    """Run the program named by the settings in the first argument and return the exit code."""
    _end_with_language_host()
    run = ProgramRun(**json.loads(sys.argv[1]))
    _configure_sdk(run)
    # The program sees the interpreter as if it had been started directly, without this file's folder.
    sys.path[0] = os.path.dirname(run.program) if os.path.isfile(run.program) else run.program
    sys.argv = [run.program, *run.arguments]
    # Futures that nobody awaited are normal after a failed resource; a report of them would hide the cause.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max_workers=4 * max(1, run.parallel))
    loop.set_default_executor(executor)
    try:
        return _run_program(run, loop)
    finally:
        executor.shutdown()
        loop.close()
        sys.stdout.flush()
        sys.stderr.flush()


def _run_program(run: ProgramRun, loop: asyncio.AbstractEventLoop) -> int:
    def program() -> None:
        runpy.run_path(run.program, run_name="__main__")

    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(program))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return 1
    except Exception as error:
        pulumi.log.error(f"Program failed with an unhandled exception:\n{_program_traceback(error, run.program)}")
        return ALREADY_REPORTED
    return 0


def _program_traceback(error: Exception, program: str) -> str:
    """Format the traceback from the program's first own frame on; all of it when the program has none."""
    inside = error.__traceback__
    while inside and not inside.tb_frame.f_code.co_filename.startswith(program):
        inside = inside.tb_next
    return "".join(traceback.format_exception(type(error), error, inside or error.__traceback__))


def _configure_sdk(run: ProgramRun) -> None:
    pulumi.runtime.set_all_config(pulumi.runtime.get_config_env(), pulumi.runtime.get_config_secret_keys_env())
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            project=run.project,
            stack=run.stack,
            organization=run.organization,
            monitor=run.monitor,
            engine=run.engine,
            parallel=run.parallel,
            dry_run=run.dry_run,
            root_directory=run.root_directory,
        )
    )


def _end_with_language_host() -> None:
    """Have the kernel end this process when the language host's thread that waits for it is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
