"""What to fork: ``42161=https://…@123456``, or ``42161=env:ARBITRUM_RPC`` to keep the URL off the command line."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from chains.caip import ChainId, parse_chain
from chains.errors import ChainError

_BLOCK = re.compile(r"(?P<where>.+?)@(?P<block>[0-9]+)")
_FROM_ENVIRONMENT = "env:"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class BadFork(ChainError, ValueError):
    """A fork was asked for in a way that cannot be understood; the message never shows the URL."""


@dataclass(frozen=True, slots=True)
class ForkSpec:
    """One chain to be forked."""

    chain: ChainId
    url: str = field(repr=False)
    """Endpoint; a secret, because keys live in URLs."""
    block: int | None = None
    """Block to fork from; None is the endpoint's latest."""

    @property
    def bare(self) -> bool:
        """Whether the URL is a plain port of this machine, which anybody may see."""
        parts = urlsplit(self.url)
        hidden = parts.username or parts.password or parts.query or parts.path not in ("", "/")
        return parts.scheme == "http" and parts.hostname in _LOOPBACK and not hidden


def parse_fork(text: str, environment: Mapping[str, str] = os.environ) -> ForkSpec:
    """One ``--chain`` option; raises BadFork."""
    name, separator, rest = text.partition("=")
    if not separator:
        raise BadFork("--chain: expected CHAIN=URL[@BLOCK] such as 42161=env:ARBITRUM_RPC@250000000")
    chain = parse_chain(name)
    found = _BLOCK.fullmatch(rest)
    where, block = (found["where"], int(found["block"])) if found else (rest, None)
    if where.startswith(_FROM_ENVIRONMENT):
        variable = where.removeprefix(_FROM_ENVIRONMENT)
        where = environment.get(variable, "")
        if not where:
            raise BadFork(f"--chain {chain}: the environment variable {variable} is not set")
    if urlsplit(where).scheme not in ("http", "https"):
        raise BadFork(f"--chain {chain}: expected an http:// or https:// endpoint, or env: and a variable's name")
    return ForkSpec(chain, where, block)


def distinct(specs: Iterable[ForkSpec]) -> tuple[ForkSpec, ...]:
    """The same specs; raises BadFork where a chain is asked for twice or there is none."""
    found: dict[ChainId, ForkSpec] = {}
    for spec in specs:
        if found.setdefault(spec.chain, spec) is not spec:
            raise BadFork(f"--chain {spec.chain}: asked for twice")
    if not found:
        raise BadFork("nothing to fork: give --chain CHAIN=URL[@BLOCK] at least once, or --devnet FOLDER")
    return tuple(found.values())
