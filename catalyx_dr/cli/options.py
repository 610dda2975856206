"""Options that several commands share."""

from typing import Annotated

import typer

Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace of the validator")]
Validator = Annotated[str | None, typer.Option("--validator", help="Name in the stack; needed when there are several")]
Kubeconfig = Annotated[str | None, typer.Option(help="Kubernetes configuration; else KUBECONFIG")]
Context = Annotated[str | None, typer.Option(help="Context of that configuration; else its current one")]
AsJson = Annotated[bool, typer.Option("--json", help="A JSON document instead of text")]
