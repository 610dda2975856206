"""Keycloak's server distribution, as its makers publish it for Maven."""

from pathlib import Path

from dev.cache_folder import cache_folder
from dev.steps import step
from dev.toolchain.debian_packages import KEYCLOAK_PACKAGES, ensure_packages

KEYCLOAK_VERSION = "26.7.3"
MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:get"


def keycloak_archive() -> Path:
    """The distribution's zip file (180 MB), fetched when the cache has none of this version.

    Raises StepError when Maven cannot fetch it.
    """
    repository = cache_folder("maven")
    name = f"keycloak-quarkus-dist-{KEYCLOAK_VERSION}.zip"
    archive = repository / "org/keycloak/keycloak-quarkus-dist" / KEYCLOAK_VERSION / name
    if not archive.exists():
        ensure_packages(KEYCLOAK_PACKAGES)
        advice = "See whether Maven Central can be reached (a mirror belongs in ~/.m2/settings.xml), and run again."
        with step(f"fetch Keycloak {KEYCLOAK_VERSION}", "keycloak-distribution", advice) as fetching:
            coordinates = f"org.keycloak:keycloak-quarkus-dist:{KEYCLOAK_VERSION}:zip"
            fetching.run(
                ["mvn", "-q", "-B", f"-Dmaven.repo.local={repository}", MAVEN_PLUGIN,
                 f"-Dartifact={coordinates}", "-Dtransitive=false"]
            )  # fmt: skip
    return archive
