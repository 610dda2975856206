"""Processor and disk priority of this process and of the programs that it starts."""

import os
import shutil
import subprocess

from catalyx_dr.model.run_limits import IoPriority

# ionice's classes: 2 is best effort (7 its lowest level), 3 waits until the disk is idle.
_CLASSES = {IoPriority.NORMAL: ["-c2", "-n4"], IoPriority.LOW: ["-c2", "-n7"], IoPriority.IDLE: ["-c3"]}


def lower_priority(niceness: int, io: IoPriority) -> list[str]:
    """Take the priorities; returns what could not be taken, in words. They hold to the end of the process."""
    faults: list[str] = []
    if niceness > os.getpriority(os.PRIO_PROCESS, 0):
        os.setpriority(os.PRIO_PROCESS, 0, niceness)
    if io is not IoPriority.NORMAL:
        program = shutil.which("ionice")
        if program is None:
            return [*faults, "disk priority: ionice is not installed in this image"]
        command = [program, *_CLASSES[io], "-p", str(os.getpid())]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if answer.returncode != 0:
            faults.append(f"disk priority: {' '.join(answer.stderr.split())}")
    return faults
