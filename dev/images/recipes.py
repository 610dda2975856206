"""What each image is made of."""

import shutil
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from dev.cache_folder import PROJECT_ROOT, content_key, files_below
from dev.images.base_filesystem import base_filesystem
from dev.images.keycloak_distribution import KEYCLOAK_VERSION, keycloak_archive
from dev.steps import StepError
from dev.toolchain import VERSITYGW

IMAGE_FOLDERS = Path(__file__).resolve().parent
CLUSTER_TAG = "dev"


@dataclass(frozen=True)
class Recipe:
    """One image.

    containerfile: its recipe; sources: project files and folders that go in, under their names in the project
    (a name with `:` goes to the name after it); made: a function that puts more into the build folder, with
    `made_key` standing for what it puts there; base: the image that is given as BASE; arguments: further ones;
    downloads_packages: pip runs in it, and has to trust the certificates that this machine trusts.
    """

    name: str
    containerfile: Path
    sources: tuple[str, ...] = ()
    base: "Recipe | None" = None
    arguments: tuple[str, ...] = ()
    downloads_packages: bool = False
    made: Callable[[Path], None] | None = None
    made_key: Callable[[], str] = field(default=lambda: "")

    @property
    def reference(self) -> str:
        """The name that pods use."""
        return f"localhost/catalyx-dr/{self.name}:{CLUSTER_TAG}"

    def files(self) -> dict[str, Path]:
        """Each project file that goes in, by its name in the build folder."""
        files: dict[str, Path] = {}
        for source in self.sources:
            name, _, target = source.partition(":")
            path = PROJECT_ROOT / name
            if path.is_dir():
                files.update(files_below(path, f"{target or name}/"))
            elif path.exists():
                files[target or name] = path
            else:
                raise StepError(f"image {self.name}: {path} is missing")
        return files

    def key(self) -> str:
        """Changes with anything that goes in, the bases included."""
        base = self.base.key() if self.base else ""
        containerfile = self.containerfile.read_text()
        return content_key([self.name, base, containerfile, self.made_key(), *self.arguments], self.files().items())

    def fill(self, folder: Path) -> None:
        """Put all that the Containerfile copies into the build folder."""
        for name, path in self.files().items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)  # file times stay, so that the builder knows unchanged files again
        if self.made:
            self.made(folder)


def _put_base_filesystem(folder: Path) -> None:
    (folder / "rootfs.tar").hardlink_to(base_filesystem())


def _put_pause(folder: Path) -> None:
    source = IMAGE_FOLDERS / "pause" / "pause.c"
    subprocess.run(["gcc", "-static", "-Os", "-s", "-Wall", "-o", folder / "pause", source], check=True)


def _put_versitygw(folder: Path) -> None:
    shutil.copy2(VERSITYGW.build(), folder / "versitygw")


def _put_keycloak(folder: Path) -> None:
    with zipfile.ZipFile(keycloak_archive()) as archive:
        archive.extractall(folder)
    unpacked = folder / f"keycloak-{KEYCLOAK_VERSION}"
    unpacked.rename(folder / "keycloak")
    for script in (folder / "keycloak" / "bin").glob("*.sh"):
        script.chmod(0o755)


def _own(name: str) -> Path:
    return IMAGE_FOLDERS / name / "Containerfile"


PAUSE = Recipe("pause", _own("pause"), made=_put_pause, made_key=lambda: (IMAGE_FOLDERS / "pause/pause.c").read_text())
DEBIAN = Recipe("debian", _own("debian"), made=_put_base_filesystem, made_key=lambda: base_filesystem().name)
AGENT_BASE = Recipe("agent-base", _own("agent_base"), base=DEBIAN)
AGENT = Recipe(
    "agent",
    PROJECT_ROOT / "image" / "Containerfile",
    sources=("image/catalyx-dr", "requirements/agent.lock", "catalyx_dr"),
    base=AGENT_BASE,
    arguments=("POSTGRESQL_MAJORS=17",),  # what Debian has, and all that the local cluster needs
    downloads_packages=True,
)
POSTGRES = Recipe("postgres", _own("postgres"), sources=("dev/images/postgres/run.sh:run.sh",), base=DEBIAN)
VALIDATOR = Recipe(
    "validator",
    _own("validator"),
    sources=("requirements/validator.lock", "dev/__init__.py", "dev/validator"),
    base=AGENT_BASE,
    downloads_packages=True,
)
VERSITYGW_IMAGE = Recipe(
    "versitygw", _own("versitygw"), made=_put_versitygw, made_key=lambda: VERSITYGW.path.parent.name
)
KEYCLOAK = Recipe("keycloak", _own("keycloak"), base=DEBIAN, made=_put_keycloak, made_key=lambda: KEYCLOAK_VERSION)

# What pods run. The pause image is the node's own.
IMAGES = (POSTGRES, VERSITYGW_IMAGE, VALIDATOR, AGENT, KEYCLOAK)


def image_named(name: str) -> Recipe:
    """The recipe of `name`. Raises KeyError with the names there are."""
    for recipe in (*IMAGES, PAUSE, DEBIAN, AGENT_BASE):
        if recipe.name == name:
            return recipe
    raise KeyError(f"no image {name!r}; there are {', '.join(recipe.name for recipe in IMAGES)}")
