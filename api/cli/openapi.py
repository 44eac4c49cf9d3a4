"""``crossmargin openapi``: the specification of the HTTP API."""

import json
from typing import Annotated

import typer

from api.http.openapi import specification
from api.http.table import TABLE


def openapi(
    indent: Annotated[int, typer.Option("--indent", min=0, max=8, help="Spaces per level; 0: one line.")] = 1,
) -> None:
    """Print the OpenAPI 3.1 document that the service serves at /v1/openapi.json."""
    typer.echo(json.dumps(specification(TABLE), indent=indent or None))
