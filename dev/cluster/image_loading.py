"""Giving images to the cluster: the local one's containerd, or a command for any other cluster."""

import os
import shlex
from collections.abc import Callable
from pathlib import Path

from dev.cache_folder import cache_folder, content_key
from dev.images import IMAGES, Archive, build_image
from dev.steps import StepError, step

LOAD_COMMAND_VARIABLE = "CATALYX_DR_LOAD_IMAGE"


def build_and_load_images(load: Callable[[Archive], None]) -> None:
    """Build what is not built and give each image to `load`, which skips what the cluster already has."""
    for recipe in IMAGES:
        load(build_image(recipe))


def load_by_command(kubeconfig: Path) -> Callable[[Archive], None]:
    """A loader that runs $CATALYX_DR_LOAD_IMAGE with the archive's path as its last argument.

    What a cluster was given is remembered by its kubeconfig. Raises StepError when the variable is not set.
    """
    command = shlex.split(os.environ.get(LOAD_COMMAND_VARIABLE, ""))
    if not command:
        raise StepError(
            f"{LOAD_COMMAND_VARIABLE} is not set. Set it to a command that takes an image archive as its last "
            "argument, for example `kind load image-archive` or `minikube image load`."
        )
    given = cache_folder("external", content_key([str(kubeconfig), *command], [("kubeconfig", kubeconfig)]))

    def load(archive: Archive) -> None:
        name = archive.path.name.removesuffix(f"-{archive.key}.tar")
        record = given / name
        if record.exists() and record.read_text() == archive.key:
            return
        with step(f"load image {name}", f"load-{name}", f"See whether `{shlex.join(command)} FILE` works.") as loading:
            loading.run([*command, archive.path])
        record.write_text(archive.key)

    return load
