"""Settings that are fine in development and not in production."""

from collections.abc import Iterator

from catalyx_dr.rules.policy.finding import Found, Severity, Stack, rule

_MOVING_TAGS = ("latest", "dev", "main", "master", "edge", "nightly")


@rule(
    "DR050",
    "The agent's image is a fixed one",
    severity="error in production and critical",
    why="A tag that moves runs another program tonight than the one that was reviewed.",
    source="development settings in production",
)
def fixed_image(stack: Stack) -> Iterator[Found]:
    """Report an image without digest and without a version tag."""
    image = stack.spec.agent.image
    tag = image.rsplit("/", 1)[-1].partition(":")[2]
    if stack.strict and "@sha256:" not in image and (not tag or tag in _MOVING_TAGS):
        yield Found(
            Severity.ERROR,
            "agent.image",
            None,
            f"{image} has {f'the moving tag {tag}' if tag else 'no tag'}",
            "name a version, or better a digest",
        )


@rule(
    "DR051",
    "The agent's image can be pulled",
    severity="error in production and critical",
    why="With pullPolicy Never a job fails on every node that has not got the image: after any change of nodes.",
    source="development settings in production",
)
def pullable_image(stack: Stack) -> Iterator[Found]:
    """Report an image that is never pulled."""
    if stack.strict and stack.spec.agent.pull_policy == "Never":
        yield Found(
            Severity.ERROR,
            "agent.pullPolicy",
            None,
            "the image is never pulled, so that jobs fail on a new node",
            "write pullPolicy: IfNotPresent",
        )


@rule(
    "DR052",
    "Database connections are encrypted",
    severity="warning in production and critical",
    why="With TLS disabled, the database's password and every row of the dump can be read in the network.",
    source="development settings in production",
)
def database_over_tls(stack: Stack) -> Iterator[Found]:
    """Report servers whose TLS is disabled."""
    for path, validator in stack.validators():
        databases = validator.databases
        for place, server in (
            ("server", databases.server),
            ("validatorApp.server", databases.validator_app.server),
            ("participant.server", databases.participant.server),
        ):
            if stack.strict and server is not None and server.ssl_mode == "disable":
                yield Found(
                    Severity.WARNING,
                    f"{path}.databases.{place}.sslMode",
                    validator.name,
                    f"connections to {server.host} are in clear",
                    "write sslMode: verify-full, or at least prefer",
                )


@rule(
    "DR053",
    "A recovery can be proven by the wallet login",
    severity="warning in production and critical",
    why="The vendor's own proof of a recovery is that the wallet user logs in and sees the balance. Without the login, "
    "a recovery is proven by the validator's API only.",
    source="vendor guide, Verify Successful Restore",
)
def wallet_login(stack: Stack) -> Iterator[Found]:
    """Report a validator without declared wallet login."""
    for path, validator in stack.validators():
        if stack.strict and validator.api.wallet_login is None:
            yield Found(
                Severity.WARNING,
                f"{path}.api.walletLogin",
                validator.name,
                "no wallet login is declared, so that a recovery cannot be proven by it",
                "add api.walletLogin with the Secrets of client and user",
            )


@rule(
    "DR054",
    "A recovery can be proven by the network",
    severity="warning in production and critical",
    why="Scan tells which participant has the party, and whether the synchronizer was upgraded since a set was taken. "
    "Without it a recovery into the wrong place is found by people, later.",
    source="Splice documentation, Validator Disaster Recovery; Scan API",
)
def scan_named(stack: Stack) -> Iterator[Found]:
    """Report a validator whose network cannot be asked."""
    for path, validator in stack.validators():
        if stack.strict and validator.target.scan_url is None:
            yield Found(
                Severity.WARNING,
                f"{path}.target.scanUrl",
                validator.name,
                "no Scan is named, so that neither party nor synchronizer can be asked for",
                "add target.scanUrl, the public address of a Scan of the validator's network",
            )


RULES = (fixed_image, pullable_image, database_over_tls, wallet_login, scan_named)
