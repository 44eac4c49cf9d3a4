"""Starting forks: one anvil per chain, pinned to a block of the endpoint and proven to be that block."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError

from chains.caip import ChainId, chain_number
from chains.devnet import anvil
from chains.devnet.anvil import Anvil, AnvilError
from chains.errors import EndpointUnreachable, WrongChainId
from chains.forks import relay
from chains.forks.relay import Relay
from chains.forks.spec import ForkSpec, distinct

FLAGS = ("--no-storage-caching", "--auto-impersonate", "--accounts", "1")
"""anvil's storage cache mixes up chains of one id and height; it gives ether to every account of its mnemonic."""


@dataclass(frozen=True)
class Fork:
    """One forked chain."""

    chain: ChainId
    node: Anvil
    block: int
    """The block it was forked from."""


@dataclass(frozen=True)
class Forks:
    """Running forks, and the relay before their endpoints where one is needed."""

    by_chain: Mapping[ChainId, Fork]
    relay: Relay | None

    def stop(self) -> None:
        """End every process; safe to call twice."""
        for fork in self.by_chain.values():
            fork.node.stop()
        if self.relay is not None:
            self.relay.stop()


def start(wanted: Sequence[ForkSpec], *, extra: Sequence[str] = ()) -> Forks:
    """Fork every chain; nothing is left running where one cannot be.

    Raises BadFork, EndpointUnreachable or WrongChainId for an endpoint that cannot be forked, AnvilError for an
    anvil that does not start.
    """
    specs = distinct(wanted)
    hidden = [spec for spec in specs if not spec.bare]
    before = relay.start([spec.url for spec in hidden]) if hidden else None
    urls = {spec.chain: spec.url for spec in specs}
    if before is not None:
        urls.update(zip((spec.chain for spec in hidden), before.urls, strict=True))
    with ThreadPoolExecutor(len(specs)) as pool:
        tasks = {spec.chain: pool.submit(_fork, spec, urls[spec.chain], extra) for spec in specs}
    started = {chain: task.result() for chain, task in tasks.items() if task.exception() is None}
    forks = Forks(started, before)
    for task in tasks.values():
        if (error := task.exception()) is not None:
            forks.stop()
            raise error
    return forks


def _fork(spec: ForkSpec, url: str, extra: Sequence[str]) -> Fork:
    number = chain_number(spec.chain)
    served = int(_ask(spec, url, "eth_chainId"), 16)
    if served != number:
        # anvil would call the fork by the number it is given, whatever chain it is of.
        raise WrongChainId(f"{spec.chain}: the endpoint serves chain {served}")
    tag = "latest" if spec.block is None else hex(spec.block)
    origin = _ask(spec, url, "eth_getBlockByNumber", tag, False)
    if not origin:
        raise EndpointUnreachable(f"{spec.chain}: the endpoint has no block {spec.block}")
    block = int(origin["number"], 16)
    pinned = ["--fork-url", url, "--fork-block-number", str(block)]
    node = anvil.start(number, extra=[*FLAGS, *pinned, *extra])
    copy = anvil.rpc(node.http_url, "eth_getBlockByNumber", hex(block), False)
    if copy["hash"] != origin["hash"]:
        node.stop()
        raise AnvilError(f"{spec.chain}: block {block} was replaced while it was forked: try again")
    return Fork(spec.chain, node, block)


def _ask(spec: ForkSpec, url: str, method: str, *params: Any) -> Any:
    try:
        return anvil.rpc(url, method, *params)
    except (OSError, ValueError, HTTPException, AnvilError) as error:
        if isinstance(error, HTTPError):
            error.close()
        # None of the causes may be shown: they can hold the URL.
        raise EndpointUnreachable(f"{spec.chain}: the endpoint to fork did not answer {method}") from None
