"""Fixtures that several folders of tests use; each subject has a module of its own."""

pytest_plugins = [
    "tests.fixtures_postgres",
    "tests.fixtures_bucket",
    "tests.fixtures_validator",
    "tests.fixtures_identity",
    "tests.fixtures_restore",
]
