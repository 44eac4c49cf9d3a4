"""Chains without a socket: a Transport that answers by method, and a ChainClient that answers by contract."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from chains.caip import Address, ChainId, chain_number
from chains.evm.abi import Function
from chains.evm.rpc import RpcFault
from chains.types import BlockRef, Call, CallResult, Finality

Answer = Callable[[list[object]], object]


@dataclass
class FakeTransport:
    """Answers each method by a function of its parameters; counts and keeps what was asked."""

    answers: Mapping[str, Answer]
    sent: list[list[tuple[str, list[object]]]] = field(default_factory=list)

    async def send(self, requests: Sequence[tuple[str, list[object]]]) -> list[object]:
        self.sent.append(list(requests))
        unknown = RpcFault(-32601, "Method not found")
        return [self.answers[m](p) if m in self.answers else unknown for m, p in requests]


def word(number: int) -> str:
    """32 bytes of a number as 0x text."""
    return f"0x{number:064x}"


def a_block(chain: ChainId, number: int, timestamp: int, finality: Finality = Finality.LATEST) -> BlockRef:
    return BlockRef(chain, number, word(number + 1), word(number), timestamp, finality)


def block_fields(number: int, timestamp: int) -> dict[str, object]:
    """JSON of eth_getBlockByNumber."""
    return {
        "number": hex(number),
        "hash": word(number + 1),
        "parentHash": word(number),
        "timestamp": hex(timestamp),
    }


def fake_chain(chain: ChainId, timestamps: Sequence[int]) -> FakeTransport:
    """A chain whose block i has the i-th timestamp."""

    def block(params: list[object]) -> object:
        tag = str(params[0])
        number = int(tag, 16) if tag.startswith("0x") else len(timestamps) - 1
        return block_fields(number, timestamps[number]) if number < len(timestamps) else None

    return FakeTransport(
        {"eth_chainId": lambda _: hex(chain_number(chain)), "eth_getBlockByNumber": block, "eth_getCode": _code}
    )


def _code(_: list[object]) -> object:
    return "0x6000"


@dataclass
class FakeChainClient:
    """ChainClient over a table of answers: (address, calldata) -> CallResult; anything else reverts."""

    chain: ChainId
    answers: dict[tuple[Address, bytes], CallResult] = field(default_factory=dict)
    asked: list[Call] = field(default_factory=list)
    timestamp: int = 1_700_000_000

    async def head(self, tag: Finality) -> BlockRef:
        return a_block(self.chain, 100, self.timestamp, tag)

    async def call(self, calls: Sequence[Call], at: BlockRef) -> tuple[CallResult, ...]:
        self.asked += calls
        return tuple(self.answers.get((call.to, call.data), CallResult(False, b"")) for call in calls)

    def set(self, function: Function, to: Address, arguments: Sequence[object], data: bytes) -> None:
        """Let a call succeed with this data."""
        self.answers[to, function.call(to, *arguments).data] = CallResult(True, data)
