"""Container images of the local platform, built without Docker and without an image registry."""

from dev.images.builder import Archive, build_image
from dev.images.recipes import IMAGES, PAUSE, image_named

__all__ = ["IMAGES", "PAUSE", "Archive", "build_image", "image_named"]
