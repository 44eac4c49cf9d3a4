"""Reads asked by key and answered by key, so that a venue's rounds read like what they want."""

from collections.abc import Hashable
from typing import Any

from chains.caip import Address
from chains.errors import BadAnswer, Reverted
from chains.evm.abi import Function
from chains.protocols import ChainClient
from chains.types import BlockRef, Call, CallResult


class UnknownMode(BadAnswer):
    """The answer is sound but of a kind that the reader has not been told about."""


class NoCode(BadAnswer):
    """The address answers nothing: it holds no contract."""


def reason_code(error: BadAnswer) -> str:
    """Code of a ReadFailure."""
    match error:
        case UnknownMode():
            return "unknown_mode"
        case NoCode():
            return "no_code"
        case Reverted():
            return "reverted"
        case _:
            return "undecodable"


class Batch:
    """Calls of one round. A key is the function's name and whatever tells one asking from another."""

    def __init__(self) -> None:
        self._functions: dict[Hashable, Function] = {}
        self._calls: list[Call] = []
        self._results: dict[Hashable, CallResult] = {}

    def ask(self, key: Hashable, function: Function, to: Address, *arguments: object) -> None:
        """Add a call; a key asked twice is asked once."""
        if key not in self._functions:
            self._functions[key] = function
            self._calls.append(function.call(to, *arguments))

    async def run(self, client: ChainClient, at: BlockRef) -> None:
        """Ask everything at the block."""
        results = await client.call(self._calls, at)
        self._results = dict(zip(self._functions, results, strict=True))

    def values(self, key: Hashable) -> tuple[Any, ...]:
        """Decoded answer.

        Raises Reverted, NoCode or BadAnswer where the call failed, BadAnswer where it was never asked.
        """
        result, function = self.result(key), self._functions[key]
        if result.success and not result.data and function.outputs != "()":
            raise NoCode(f"{function.name}: 0 bytes returned: no such contract, correct the address")
        return function.decode(result)

    def value(self, key: Hashable) -> Any:
        """First value of the answer; raises like ``values``."""
        return self.values(key)[0]

    def result(self, key: Hashable) -> CallResult:
        """Answer as it came; raises BadAnswer where the call was never asked."""
        if key not in self._results:
            raise BadAnswer(f"{key}: was not asked")
        return self._results[key]

    def joined(self, other: "Batch") -> "Batch":
        """One batch with the answers of both; of a key in both, the other's."""
        both = Batch()
        both._functions = self._functions | other._functions
        both._results = self._results | other._results
        return both

    def asked(self, key: Hashable) -> bool:
        """Whether the key was asked and the batch has run."""
        return key in self._results

    def answered(self, key: Hashable) -> bool:
        """Whether there is an answer that decodes."""
        try:
            self.values(key)
        except BadAnswer:
            return False
        return True
