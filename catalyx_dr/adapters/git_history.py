"""Files as they were at a revision of the repository around them."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from catalyx_dr.model.errors import RefusedError

# A pager, a prompt or a hook of the person's own must not answer in git's place.
_GIT = ("git", "--no-pager", "-c", "core.fsmonitor=false")


@dataclass(frozen=True)
class Revision:
    """A commit of the repository of `folder`."""

    folder: Path
    commit: str

    @classmethod
    def named(cls, folder: Path, name: str) -> "Revision":
        """The commit where this branch left `name`; `name` itself when both have no history in common here.

        So nothing that others merged meanwhile looks like a change of this branch. Raises RefusedError when `folder`
        is in no repository, or the name is none.
        """
        if _git(folder, "rev-parse", "--git-dir") is None:
            raise RefusedError(f"{folder} is in no git repository, so there is no version to compare with; omit --base")
        commit = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if commit is None:
            raise RefusedError(
                f"--base {name!r} is no commit, branch or tag of this repository; fetch it first, for example with "
                "git fetch origin main (in a workflow: fetch-depth: 0), or name another one"
            )
        return cls(folder, _git(folder, "merge-base", commit, "HEAD") or commit)

    def text(self, path: Path) -> str | None:
        """Text of a file at this commit; None when it was not there, or is outside the repository."""
        root = _git(self.folder, "rev-parse", "--show-toplevel")
        if root is None or not path.is_relative_to(root):
            return None
        return _git(self.folder, "show", f"{self.commit}:{path.relative_to(root).as_posix()}", strip=False)


def _git(folder: Path, *words: str, strip: bool = True) -> str | None:
    """Output of a git command; None when it ends with an error."""
    try:
        ended = subprocess.run([*_GIT, *words], cwd=folder, capture_output=True, check=False)  # noqa: S603
    except FileNotFoundError:
        raise RefusedError("git is not on PATH; install it, or omit --base") from None
    if ended.returncode:
        return None
    text = ended.stdout.decode(errors="replace")
    return text.strip() if strip else text
