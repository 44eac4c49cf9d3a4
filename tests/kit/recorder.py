"""Keeps what a chain answered, and answers from what was kept."""

from collections.abc import Mapping, Sequence
from typing import Any

from chains.types import BlockRef, Call, CallResult, Finality
from tests.kit.transport import FakeChainClient


class Recorder:
    """Passes calls on and keeps them with their answers."""

    def __init__(self, client) -> None:
        self.client, self.chain, self.calls = client, client.chain, []

    async def call(self, calls: Sequence[Call], at: BlockRef) -> tuple[CallResult, ...]:
        answers = await self.client.call(calls, at)
        self.calls += [[c.to, c.data.hex(), a.success, a.data.hex()] for c, a in zip(calls, answers, strict=True)]
        return answers

    def content(self, head: BlockRef) -> dict[str, Any]:
        """What to write down: chain, block and every call once."""
        block = {name: getattr(head, name) for name in ("number", "hash", "parent_hash", "timestamp")}
        unique = {(to, data): [to, data, ok, answer] for to, data, ok, answer in self.calls}
        return {"chain": self.chain, "block": block, "calls": list(unique.values())}


def replayed(content: Mapping[str, Any]) -> tuple[FakeChainClient, BlockRef]:
    """A client that answers as recorded, and the block of the record."""
    head = BlockRef(content["chain"], finality=Finality.LATEST, **content["block"])
    answers = {(to, bytes.fromhex(d)): CallResult(ok, bytes.fromhex(a)) for to, d, ok, a in content["calls"]}
    return FakeChainClient(content["chain"], answers), head
