"""``crossmargin verify-statement`` and ``verify-proof``: what a service signs and publishes, checked elsewhere."""

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer
from pydantic import BaseModel, SecretStr, ValidationError
from rich.console import Console
from rich.table import Table

from aggregator.clock import utc_now
from aggregator.config import Settings
from aggregator.devnet_settings import DEVNET_KEY
from aggregator.errors import ConfigError
from aggregator.report import MarginReport
from aggregator.statements.check import Checked, check
from aggregator.statements.merkle import BadProof, Proof, leaf_of, proven_root
from aggregator.statements.model import Statement
from aggregator.statements.recompute import chains_only
from aggregator.statements.typed import address_of
from aggregator.wiring import wire
from api.cli.common import ConfigOption, DevnetOption, JsonOption, log_to_stderr, settings_from
from api.http.statements import InclusionProof

M = TypeVar("M", bound=BaseModel)
FileArgument = Annotated[Path, typer.Argument(help="JSON as the API answered it; - for standard input.")]
MOST_BYTES = 64 * 1_048_576


def verify_statement(
    file: FileArgument,
    signer: Annotated[
        str | None, typer.Option("--signer", help="Address or CAIP-10 account whose statement it must be.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Signature and time only: ask no chain.")] = False,
    config: ConfigOption = None,
    devnet: DevnetOption = None,
    json: JsonOption = False,
) -> None:
    """Check a margin statement: who signed it, whether it still holds, and every figure against the chains.

    The chains are read at the statement's own blocks, which needs endpoints that keep old state. Exit code 1 where
    anything differs, 3 where a chain cannot be read there.
    """
    log_to_stderr()
    statement = _parsed(Statement, _read(file), file)
    settings = None if offline else chains_only(settings_from(config, devnet))
    found = asyncio.run(_checked(statement, settings, signer))
    if json:
        _dump(_plain(statement, found))
    else:
        _print(Console(), statement, found)
    if not found.ok:
        raise SystemExit(1)


async def _checked(statement: Statement, settings: Settings | None, signer: str | None) -> Checked:
    if settings is None:
        return await check(statement, None, utc_now(), signer)
    async with wire(settings) as wired:
        return await check(statement, wired, utc_now(), signer)


def verify_proof(
    proof: Annotated[Path, typer.Argument(help="The proof: /v1/reports/{id}/proof.")],
    report: Annotated[Path, typer.Argument(help="The report, as the API answered it.")],
    root: Annotated[
        str | None, typer.Option("--root", help="Root that was published or signed; without it the proof's own.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Check that a report was part of a scan whose root is known. Exit code 1 where it was not, or was another."""
    given, body = _parsed(InclusionProof, _read(proof), proof), _read(report)
    wanted = (root or given.root).lower()
    found = [_root(given, leaf) for leaf in _leaves(body)]
    ok = wanted in found and (root is None or given.root.lower() == wanted)
    if json:
        _dump({"ok": ok, "root": wanted, "found": found, "size": given.size, "time": given.time.isoformat()})
    elif ok:
        typer.echo(
            f"ok: the report is one of {given.size} in the scan of {given.time:%Y-%m-%d %H:%M:%S} UTC, {wanted}"
        )
    else:
        typer.echo(f"not proven: the report and the proof lead to {found[0]}, not to {wanted}", err=True)
    if not ok:
        raise SystemExit(1)


def _leaves(body: bytes) -> list[bytes]:
    """Leaf of the bytes as they are, and of the report in its own form, should somebody have laid it out anew."""
    leaves = [leaf_of(body), leaf_of(body.strip())]
    with contextlib.suppress(ValidationError):
        leaves.append(leaf_of(MarginReport.model_validate_json(body).model_dump_json().encode()))
    return list(dict.fromkeys(leaves))


def _root(given: InclusionProof, leaf: bytes) -> str:
    try:
        path = tuple(bytes.fromhex(part.removeprefix("0x")) for part in given.path)
        return "0x" + proven_root(leaf, Proof(given.index, given.size, path)).hex()
    except (BadProof, ValueError, OverflowError) as error:
        return f"no root ({error})"


def _read(path: Path) -> bytes:
    try:
        body = sys.stdin.buffer.read(MOST_BYTES) if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    return body


def _parsed(model: type[M], body: bytes, path: Path) -> M:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "content"
        raise ConfigError(f"{path}: {where}: {first['msg']}; expected the API's JSON answer as it was") from None


def _plain(statement: Statement, found: Checked) -> dict[str, Any]:
    message = statement.typed_data.message
    return {
        "ok": found.ok,
        "id": message.id,
        "portfolio": message.portfolio,
        "signer": message.signer,
        "expires_at": message.expires_at,
        "compared": found.compared,
        "differences": [{"what": d.what, "stated": d.stated, "found": d.found} for d in found.differences],
        "notes": [*found.notes, *_warnings(message.signer)],
    }


def _warnings(signer: str) -> list[str]:
    known = address_of(SecretStr(DEVNET_KEY))
    return [f"{signer} is the devnet's key, which everybody has"] if signer.endswith(known) else []


def _print(console: Console, statement: Statement, found: Checked) -> None:
    message = statement.typed_data.message
    console.print(f"{message.id}: {message.portfolio} as of {_blocks(statement)}", markup=False, highlight=False)
    console.print(f"signer {message.signer}", markup=False, highlight=False)
    if found.differences:
        table = Table(title="What is not as stated", title_justify="left")
        for name in ("what", "stated", "found"):
            table.add_column(name, overflow="fold")
        for row in found.differences:
            table.add_row(row.what, row.stated, row.found)
        console.print(table)
    for note in (*found.notes, *_warnings(message.signer)):
        console.print(f"note: {note}", style="yellow", markup=False, highlight=False)
    good, bad = "[green]verified[/]", f"[red]{len(found.differences)} differences[/]"
    console.print(f"{good if found.ok else bad}, {found.compared} figures recomputed", highlight=False)


def _blocks(statement: Statement) -> str:
    blocks = statement.typed_data.message.blocks
    return ", ".join(f"{block.chain} block {block.number}" for block in blocks)


def _dump(content: object) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(content), indent=2).decode())
