"""The environment in which `pulumi` runs here: official parts where the machine has them, else parts built here.

For a shell: eval "$(python -m dev.engine.environment)"
"""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from dev.cache_folder import cache_folder, content_key, only_one
from dev.toolchain.go_tools import KUBERNETES_PLUGIN, PULUMI

LAUNCHERS = Path(__file__).resolve().with_name("bin")
# Stacks of the local platform hold nothing that is worth protecting, and their files are shared.
LOCAL_PASSPHRASE = "catalyx-dr-local"


def engine_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return `base` (this process's environment) with what the engine needs; what is set already stays.

    Builds the command line and the plugin into the cache when the machine has none. Raises StepError when that fails.
    """
    environment = dict(os.environ if base is None else base)
    search_path = environment.get("PATH", os.defpath)
    home = Path(environment.get("PULUMI_HOME") or Path.home() / ".pulumi")
    if not all(shutil.which(part, path=search_path) for part in ("pulumi", "pulumi-language-python")):
        search_path = os.pathsep.join((str(_installation()), search_path))
        if "PULUMI_HOME" not in environment and not _has_kubernetes(home):
            home = _own_home()
    if not shutil.which("pulumi-resource-kubernetes", path=search_path) and not _has_kubernetes(home):
        search_path = os.pathsep.join((search_path, str(KUBERNETES_PLUGIN.build().parent)))
    environment |= {"PATH": search_path, "PULUMI_HOME": str(home)}
    defaults = {
        "PULUMI_BACKEND_URL": f"file://{cache_folder('pulumi', 'state')}",
        "PULUMI_PYTHON_CMD": sys.executable,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    if "PULUMI_CONFIG_PASSPHRASE_FILE" not in environment:
        defaults["PULUMI_CONFIG_PASSPHRASE"] = LOCAL_PASSPHRASE
    return defaults | environment


def _installation() -> Path:
    """Return a folder like the official installer's: the command line with its language host beside it.

    The engine warns about hosts it finds on PATH elsewhere.
    """
    program = PULUMI.build()
    launchers = sorted(LAUNCHERS.iterdir())
    folder = cache_folder("pulumi", "bin", content_key([str(program), *map(str, launchers)]))
    if not (folder / "pulumi").exists():
        with only_one("pulumi-bin"):
            for launcher in launchers:
                (folder / launcher.name).unlink(missing_ok=True)
                (folder / launcher.name).symlink_to(launcher)
            # A hard link, because the engine looks beside the file that a symbolic link leads to.
            (folder / "pulumi").unlink(missing_ok=True)
            (folder / "pulumi").hardlink_to(program)
    return folder


def _own_home() -> Path:
    """Return a home folder with the Kubernetes plugin and without an automatic log.

    The engine warns about a plugin that it finds on PATH. Its log has no switch, costs a third of the time of a large
    preview and grows by a megabyte a run; it gives up silently when it cannot make its folder.
    """
    program = KUBERNETES_PLUGIN.build()
    wanted = version("pulumi-kubernetes")
    home = cache_folder("pulumi", f"home-{content_key([str(program), wanted])}")
    (home / "logs").touch()
    plugin = home / "plugins" / f"resource-kubernetes-v{wanted}" / program.name
    with only_one("pulumi-home"):
        if not plugin.exists():
            plugin.parent.mkdir(parents=True, exist_ok=True)
            plugin.unlink(missing_ok=True)
            plugin.symlink_to(program)
    return home


def _has_kubernetes(home: Path) -> bool:
    return any(home.glob("plugins/resource-kubernetes-v*/pulumi-resource-kubernetes"))


def main() -> None:
    """Print the variables that differ from this process's environment, as commands for a shell."""
    for name, value in engine_environment().items():
        if os.environ.get(name) != value:
            print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    main()
