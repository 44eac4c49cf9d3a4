"""The questions of ``crossmargin init`` and the settings file that their answers make."""

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from chains.caip import parse_account, parse_address
from chains.errors import InvalidId

CHAINS = {
    "eip155:1": "Ethereum", "eip155:42161": "Arbitrum", "eip155:10": "Optimism", "eip155:8453": "Base",
}  # fmt: skip
Ask = Callable[[str, str], str]
"""Question and default to answer."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the file is made of."""

    endpoints: dict[str, list[str]] = field(default_factory=dict)
    portfolio: str = "desk"
    accounts: tuple[str, ...] = ()
    database: str = "sqlite+aiosqlite:///crossmargin.db"
    reaction: str = "person"
    webhook: str = ""


def questions(ask: Ask, say: Callable[[str], None]) -> Answers:
    """Ask until every answer is usable; an empty answer takes the default or leaves the thing out."""
    endpoints = {}
    for chain, name in CHAINS.items():
        said = _until(ask, say, f"{name}: endpoint(s), comma between; empty leaves it out", "", _urls)
        if said:
            endpoints[chain] = [part.strip() for part in said.split(",")]
    if not endpoints:
        say("no chain: the file keeps placeholders to fill in")
    name = _until(ask, say, "name of the first portfolio", "desk", _name)
    accounts = _until(
        ask, say, "its accounts (0x… on every chain, or eip155:10:0x…), comma between", "", _accounts
    )
    database = _until(ask, say, "database", Answers().database, _database)
    reaction = _until(
        ask, say, "who moves money when it must be moved: keeper, person, unattended", "person", _who
    )
    webhook = _until(ask, say, "webhook for alerts; empty for none", "", _url_or_none)
    return Answers(endpoints, name, _split(accounts), database, reaction, webhook)


def settings_text(answers: Answers) -> str:
    """The file, with what each part is for."""
    return "\n\n".join(part for part in (_head(answers), _chains(answers), _rest(answers)) if part) + "\n"


def _head(answers: Answers) -> str:
    return f"""\
# Settings of crossmargin. `crossmargin check` reads them for mistakes, `crossmargin doctor` tries what they name.
# Any value can also come from the environment: CROSSMARGIN_SERVICE__PORT=9000 ("__" goes down one table).

# Addresses of tokens, venues and feeds: those of the package, or a JSON file of your own.
deployments = "mainnet_v1"

# SQLite needs nothing. PostgreSQL: "postgresql+asyncpg://user:password@host/crossmargin"
database = {_quoted(answers.database)}

# Which blocks are read on every chain: latest | safe | finalized.
finality = "latest\""""


def _chains(answers: Answers) -> str:
    given = answers.endpoints or {chain: [f"https://{name.lower()}.example/KEY"] for chain, name in CHAINS.items()}
    tables = [
        f'[chains."{chain}"]  # {CHAINS[chain]}\nrpc_urls = [{", ".join(map(_quoted, urls))}]\n'
        "rate_per_s = 25  # requests per second that the endpoint's plan allows"
        for chain, urls in given.items()
    ]
    note = "# Endpoints in order of preference; ws(s) announce new blocks. They hold keys."
    return note + "\n" + "\n\n".join(tables)


def _rest(answers: Answers) -> str:
    accounts = answers.accounts or ("0x0000000000000000000000000000000000000001",)
    text = f"""\
# Accounts that one owner wants margined together: CAIP-10 ids, or bare addresses for every chain above.
[portfolios.{answers.portfolio}]
accounts = [{", ".join(map(_quoted, accounts))}]

[model]
# Who moves the money when it must be moved: keeper (3 s), person (on call, 15 min) or unattended (8 h).
reaction = {_quoted(answers.reaction)}

[service]
host = "127.0.0.1"
port = 8080
# Every portfolio is looked at this often, and at once when something happens to it on a chain.
scan_interval_s = 15"""
    return text + (_webhook(answers.webhook) if answers.webhook else "")


def _webhook(url: str) -> str:
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    return f"""

# A receiver of alerts (Standard Webhooks). Give it the same secret: it proves who sends.
[[webhooks]]
name = "alerts"
url = {_quoted(url)}
secret = {_quoted(secret)}"""


def _until(ask: Ask, say: Callable[[str], None], question: str, default: str, check: Callable[[str], None]) -> str:
    while True:
        said = ask(question, default).strip()
        try:
            check(said)
        except (InvalidId, ValueError) as error:
            say(f"  {error}")
            continue
        return said


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _urls(text: str) -> None:
    for url in _split(text):
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https", "ws", "wss"} or not parts.hostname:
            raise ValueError("expected http(s)://… or ws(s)://…")


def _url_or_none(text: str) -> None:
    parts = urlsplit(text)
    if text and (parts.scheme not in {"http", "https"} or not parts.hostname):
        raise ValueError("expected http(s)://…")


def _accounts(text: str) -> None:
    for part in _split(text):
        _ = parse_address(part, "account") if part.startswith("0x") else parse_account(part)


def _name(text: str) -> None:
    if not text or not all(c.isascii() and (c.isalnum() or c in "-_") for c in text):
        raise ValueError("expected letters, digits, - and _")


def _database(text: str) -> None:
    if "://" not in text:
        raise ValueError("expected sqlite+aiosqlite:///file.db or postgresql+asyncpg://user:password@host/name")


def _who(text: str) -> None:
    if text not in {"keeper", "person", "unattended"}:
        raise ValueError("expected keeper, person or unattended")
