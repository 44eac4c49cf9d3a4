"""Reading and writing deployments as JSON: a document with the key ``deployments``, a list of chains.

The devnet writes one inside its ``world.json``; for public networks people write one by hand, so every mistake
is refused with the path of the field.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from chains.caip import ChainId, parse_address, parse_chain
from chains.deployments import ChainDeployment
from chains.errors import ChainError, InvalidId


class BadDeployments(ChainError):
    """A deployments file cannot be used; names the file, the field and what is wrong with it."""


def load_deployments(path: Path) -> dict[ChainId, ChainDeployment]:
    """Deployments by chain from a JSON file; raises BadDeployments."""
    try:
        document = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        raise BadDeployments(f"{path}: no such deployments file") from None
    except msgspec.DecodeError as error:
        raise BadDeployments(f"{path}: not JSON: {error}") from None
    if not isinstance(document, dict) or "deployments" not in document:
        raise BadDeployments(f"{path}: expected an object with the key `deployments`")
    return parse_deployments(document["deployments"], str(path))


def parse_deployments(content: Any, origin: str) -> dict[ChainId, ChainDeployment]:
    """Deployments by chain from plain JSON values; ``origin`` begins every error message."""
    try:
        found = msgspec.convert(content, list[ChainDeployment])
    except msgspec.ValidationError as error:
        raise BadDeployments(f"{origin}: deployments: {error}") from None
    for unknown in _unknown(content, msgspec.to_builtins(found), "deployments"):
        raise BadDeployments(f"{origin}: {unknown}: not a field (check the spelling)")
    for index, deployment in enumerate(found):
        _check(deployment, f"deployments[{index}]", origin)
    by_chain = {deployment.chain: deployment for deployment in found}
    if len(by_chain) != len(found):
        raise BadDeployments(f"{origin}: deployments: a chain is listed twice")
    return by_chain


def plain(deployments: Sequence[ChainDeployment]) -> Any:
    """JSON values of deployments; ``parse_deployments`` reads them back."""
    return msgspec.to_builtins(list(deployments))


def _unknown(given: Any, known: Any, path: str) -> Iterator[str]:
    """Paths of keys that the decoder dropped."""
    if isinstance(given, dict) and isinstance(known, dict):
        for key, value in given.items():
            if key not in known:
                yield f"{path}.{key}"
            else:
                yield from _unknown(value, known[key], f"{path}.{key}")
    elif isinstance(given, list) and isinstance(known, (list, tuple)):
        for index, (value, other) in enumerate(zip(given, known, strict=True)):
            yield from _unknown(value, other, f"{path}[{index}]")


def _check(deployment: ChainDeployment, path: str, origin: str) -> None:
    try:
        if parse_chain(deployment.chain) != deployment.chain:
            raise InvalidId(f"chain: expected CAIP-2 such as eip155:42161, was {deployment.chain!r}")
        for field, address in _addresses(deployment):
            if parse_address(address, field) != address:
                raise InvalidId(f"{field}: expected the EIP-55 form {parse_address(address)}, was {address!r}")
    except InvalidId as error:
        raise BadDeployments(f"{origin}: {path}.{error}") from None


def _addresses(deployment: ChainDeployment) -> Iterator[tuple[str, str]]:
    yield "multicall3", deployment.multicall3
    for venue, contracts in deployment.venues.items():
        yield from _named(f"venues.{venue}", contracts)
    feeds = deployment.feeds
    yield from ((f"feeds.chainlink[{i}].proxy", feed.proxy) for i, feed in enumerate(feeds.chainlink))
    yield from ((f"feeds.twap[{i}].pool", pool.pool) for i, pool in enumerate(feeds.twap))
    if feeds.pyth is not None:
        yield "feeds.pyth.contract", feeds.pyth.contract
    yield from ((f"feeds.rates[{i}].contract", rate.contract) for i, rate in enumerate(feeds.rates))
    for i, token in enumerate(feeds.bridged):
        named = {"token": token.token, "home_token": token.home_token, "escrow": token.escrow}
        yield from _named(f"feeds.bridged[{i}]", named)
    if feeds.sequencer_uptime is not None:
        yield "feeds.sequencer_uptime", feeds.sequencer_uptime


def _named(prefix: str, contracts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((f"{prefix}.{name}", address) for name, address in contracts.items())
