"""Building an image with buildah in a storage of our own, and its archive for a cluster."""

import contextlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from dev.cache_folder import cache_folder, only_one
from dev.images.recipes import Recipe
from dev.steps import step
from dev.toolchain.debian_packages import IMAGE_PACKAGES, ensure_packages

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
ADVICE = "The log ends with what went wrong; when a download was cut off, run again."


@dataclass(frozen=True)
class Archive:
    """A built image as one file that containerd, Docker and Podman import under `reference`."""

    reference: str
    key: str
    path: Path


class _SourcesChangedError(Exception):
    """Somebody saved a file while the build folder was filled: its content has another key by now."""


def build_image(recipe: Recipe) -> Archive:
    """The image's archive, built when the cache has none of what goes into it now.

    Raises StepError when a file is missing or the build fails.
    """
    while True:
        with contextlib.suppress(_SourcesChangedError):
            return _build_current(recipe)


def _build_current(recipe: Recipe) -> Archive:
    key = recipe.key()
    path = cache_folder("images") / f"{recipe.name}-{key}.tar"
    if not path.exists():
        ensure_packages(IMAGE_PACKAGES)
        with only_one("images"):
            if not path.exists():
                _build_with_bases(recipe, key)
                _write_archive(recipe, key, path)
    return Archive(recipe.reference, key, path)


def _build_with_bases(recipe: Recipe, key: str) -> None:
    if recipe.base:
        _build_with_bases(recipe.base, recipe.base.key())
    if _is_stored(recipe, key):
        return
    with step(f"build image {recipe.name}", f"image-{recipe.name}", ADVICE) as building:
        with tempfile.TemporaryDirectory(prefix="context-", dir=cache_folder("images")) as folder:
            context = Path(folder)
            recipe.fill(context)
            shutil.copy(recipe.containerfile, context / "Containerfile")
            if recipe.key() != key:
                raise _SourcesChangedError
            building.run(_build_command(recipe, context))
        building.run(_buildah("tag", recipe.reference, _stored_name(recipe, key)))


def _build_command(recipe: Recipe, context: Path) -> list[str]:
    # The lowest layers are fixed by their key, and the file times by 0: builds of the same content are the same.
    command = _buildah("bud", "--isolation=chroot", "--network=host", "--pull=false", "--layers", "--timestamp=0")
    if recipe.base:
        command += ["--build-arg", f"BASE={_stored_name(recipe.base, recipe.base.key())}"]
    for argument in recipe.arguments:
        command += ["--build-arg", argument]
    if recipe.downloads_packages and CERTIFICATES.exists():
        command += ["--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro"]
    return [*command, "--tag", recipe.reference, "--file", str(context / "Containerfile"), str(context)]


def _write_archive(recipe: Recipe, key: str, path: Path) -> None:
    with step(f"write image {recipe.name}", f"archive-{recipe.name}", ADVICE) as writing:
        unfinished = path.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        writing.run(
            _buildah("push", "--quiet", _stored_name(recipe, key), f"docker-archive:{unfinished}:{recipe.reference}")
        )
        for old in path.parent.glob(f"{recipe.name}-{'?' * 12}.tar"):
            old.unlink()
        unfinished.rename(path)
    _forget_former(recipe, key)


def _forget_former(recipe: Recipe, key: str) -> None:
    """Remove what the storage holds of this image from earlier contents; one that another builds on stays."""
    repository = _stored_name(recipe, key).rpartition(":")[0]
    listed = subprocess.run(
        _buildah("images", "--noheading", "--format={{.Name}}:{{.Tag}}", "--filter", f"reference={repository}"),
        capture_output=True,
        text=True,
        check=False,
    )
    former = set(listed.stdout.split()) - {_stored_name(recipe, key), recipe.reference}
    for name in former:
        subprocess.run(_buildah("rmi", name), capture_output=True, check=False)


def _is_stored(recipe: Recipe, key: str) -> bool:
    answer = subprocess.run(
        _buildah("inspect", "--type=image", _stored_name(recipe, key)), capture_output=True, check=False
    )
    return answer.returncode == 0


def _stored_name(recipe: Recipe, key: str) -> str:
    return f"localhost/catalyx-dr/{recipe.name}:{key}"


def _buildah(*arguments: str) -> list[str]:
    storage = cache_folder("buildah")
    return ["nice", "buildah", "--root", str(storage / "root"), "--runroot", str(storage / "run"),
            "--storage-driver", "overlay", *arguments]  # fmt: skip
