"""``crossmargin get …``: every read of the API as a command, made from the table of endpoints.

It reads a running service (``--url``) or the settings' store, through the same handlers, models and access rules.
"""

import asyncio
import contextlib
import inspect
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from pydantic.fields import FieldInfo
from rich.console import Console

from api.cli.common import ConfigOption, DevnetOption, JsonOption, settings_from
from api.cli.show import indented, show
from api.client import ApiClient, path_of, remote_api
from api.http.endpoint import Endpoint
from api.http.openapi import PARAMETERS
from api.http.table import TABLE
from api.local import Local, local_api

app = typer.Typer(
    help="Every read of the HTTP API, from a running service or from the store.", no_args_is_help=True
)
UrlOption = Annotated[
    str | None, typer.Option("--url", envvar="CROSSMARGIN_URL", help="A running service; without: the store.")
]
KeyOption = Annotated[
    str | None, typer.Option("--key", envvar="CROSSMARGIN_KEY", help="Key of the API.", show_envvar=True)
]
OWN = ("url", "key", "config", "devnet", "json")
LIMITS = {"ge": "at least", "le": "at most", "max_length": "length at most"}
WHAT_IF = ("/v1/accounts/{id}/scenarios", "/v1/accounts/{id}/margin-models")
"""Answered from what the newest report was made from."""
NO_COMMAND = {
    "/": "the page, for a browser",
    **{endpoint.path: "a part of the page" for endpoint in TABLE if endpoint.path.startswith("/web/")},
}
"""GET endpoints without a command, and why."""


def name_of(endpoint: Endpoint) -> str:
    """Name of an endpoint's command."""
    return endpoint.operation_id.removeprefix("get_").replace("_", "-")


def readable(table: tuple[Endpoint, ...] = TABLE) -> dict[str, Endpoint]:
    """Endpoints by the name of their command."""
    return {name_of(e): e for e in table if e.method == "GET" and e.path not in NO_COMMAND}


def parameters_of(endpoint: Endpoint) -> tuple[str, ...]:
    """Names of the parts of the path."""
    return tuple(re.findall(r"\{(\w+)", endpoint.path))


@contextlib.asynccontextmanager
async def opened(
    url: str | None, key: str | None, config: Path | None, devnet: Path | None
) -> AsyncIterator[ApiClient]:
    """A client of the service at the address, else of the settings' store."""
    async with _either(url, key, config, devnet) as (client, _):
        yield client


@contextlib.asynccontextmanager
async def _either(
    url: str | None, key: str | None, config: Path | None, devnet: Path | None
) -> AsyncIterator[tuple[ApiClient, Local | None]]:
    if url is not None:
        async with remote_api(url, key) as client:
            yield client, None
        return
    async with local_api(settings_from(config, devnet), key) as local:
        yield local.client, local


async def _run(endpoint: Endpoint, given: Mapping[str, Any], json: bool) -> None:
    names = parameters_of(endpoint)
    path = path_of(endpoint.path, {name: given[name] for name in names})
    rest = {name: str(v) for name, v in given.items() if name not in {*names, *OWN} and v is not None}
    async with _either(*(given[name] for name in OWN[:4])) as (client, local):
        if local is not None and endpoint.path in WHAT_IF:
            await local.look([given["id"]])
        if endpoint.timeout_s == 0:
            async for event in events(client.lines(path, rest)):
                typer.echo(msgspec.json.encode(event).decode())
            return
        answer = await client.get(path, rest)
    if endpoint.answer is None and "json" not in endpoint.media:
        typer.echo(answer.body.decode(), nl=False)
    elif json or endpoint.answer is None:
        typer.echo(indented(answer.body))
    else:
        show(Console(), endpoint.answer, answer.body)
    if answer.following is not None:
        typer.echo(f"more: --cursor {answer.following}", err=True)


async def events(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, Any]]:
    """Server-sent events of lines: id, name and data of each."""
    found: dict[str, Any] = {}
    async for line in lines:
        field, _, value = line.partition(":")
        if field in {"id", "event"}:
            found[field] = value.strip()
        elif field == "data":
            found["data"] = msgspec.json.decode(value)
        elif not line and "data" in found:
            yield found
            found = {}


def _command(endpoint: Endpoint) -> Any:
    """A function whose signature typer turns into arguments and options."""

    def run(**given: Any) -> None:
        asyncio.run(_run(endpoint, given, given["json"]))

    arguments = [_argument(name) for name in parameters_of(endpoint)]
    fields = {} if endpoint.query is None else endpoint.query.model_fields
    options = [_option(name, field) for name, field in fields.items()]
    own = dict(zip(OWN, (UrlOption, KeyOption, ConfigOption, DevnetOption, JsonOption), strict=True))
    every = [
        *arguments,
        *options,
        *(_parameter(n, kind, False if n == "json" else None) for n, kind in own.items()),
    ]
    run.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in every}
    run.__doc__ = inspect.cleandoc(endpoint.handler.__doc__ or endpoint.summary)
    return run


def _argument(name: str) -> inspect.Parameter:
    kind = Annotated[str, typer.Argument(help=PARAMETERS.get(name, name))]
    return _parameter(name, kind, inspect.Parameter.empty)


def _option(name: str, field: FieldInfo) -> inspect.Parameter:
    limits = {key: getattr(limit, key) for limit in field.metadata for key in LIMITS if hasattr(limit, key)}
    words = [name.replace("_", " ").capitalize(), *(f"{LIMITS[key]} {value}" for key, value in limits.items())]
    words += [] if field.default is None else [f"default {field.default}"]
    kind = Annotated[str | None, typer.Option(f"--{name.replace('_', '-')}", help=", ".join(words))]
    return _parameter(name, kind, None)


def _parameter(name: str, kind: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


for _name, _endpoint in readable().items():
    app.command(_name, short_help=_endpoint.summary)(_command(_endpoint))
