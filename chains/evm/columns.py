"""Many calls of one shape, again and again: calldata made once, answers as one matrix of words.

For reads of thousands of accounts, where a Python object per call would cost more than the node does.
"""

from binascii import a2b_hex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from chains.caip import Address
from chains.errors import BadAnswer
from chains.evm.multicall import CHUNK, MULTICALL3, decode_aggregate3, encode_aggregate3
from chains.types import Call, CallResult

Words = npt.NDArray[np.uint8]
_WORD: Final = 32
_HEAD: Final = 2  # offset of the array, its length
_FRAME: Final = 3  # success, offset of the bytes, their length


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Answers: row i is call i; ``words[i, j]`` are the 32 bytes of its j-th value, big-endian."""

    ok: npt.NDArray[np.bool_]
    """Whether the call succeeded with data of the shape asked for; where not, its words mean nothing."""
    words: Words

    @property
    def limbs(self) -> npt.NDArray[np.uint64]:
        """Shape (calls, values, 4): each value as four 64-bit numbers, the most significant first."""
        return self.words.view(">u8").astype(np.uint64).reshape(*self.words.shape[:2], 4)

    def unsigned(self) -> npt.NDArray[np.float64]:
        """Shape (calls, values) in float64, correctly rounded to 52 bits; for screening, never for money."""
        limbs = self.limbs.astype(np.float64)
        return np.asarray(
            ((limbs[..., 0] * 2.0**64 + limbs[..., 1]) * 2.0**64 + limbs[..., 2]) * 2.0**64 + limbs[..., 3]
        )

    def column(self, j: int) -> list[int]:
        """The j-th value of every call, exact."""
        data = self.words[:, j].tobytes()
        return [int.from_bytes(data[i : i + _WORD]) for i in range(0, len(data), _WORD)]


class ColumnRead:
    """Calls whose answers all have the same number of words."""

    def __init__(
        self, calls: Sequence[Call], words: int, multicall3: Address = MULTICALL3, chunk: int = CHUNK
    ) -> None:
        self.calls = tuple(calls)
        self.words = words
        chunks = [calls[i : i + chunk] for i in range(0, len(calls), chunk)]
        self.sizes = [len(part) for part in chunks]
        self.starts = [0, *accumulate(self.sizes)]
        self.parameters = [_parameter(multicall3, part) for part in chunks]
        """First parameter of each eth_call as JSON."""

    def empty(self) -> Columns:
        """Matrix in which nothing has been answered."""
        count = len(self.calls)
        return Columns(np.zeros(count, np.bool_), np.zeros((count, self.words, _WORD), np.uint8))

    def fill(self, columns: Columns, rows: Sequence[int], results: Sequence[CallResult]) -> None:
        """Put answers into their rows, as far as they have the shape."""
        for i, result in zip(rows, results, strict=True):
            if result.success and len(result.data) == _WORD * self.words:
                columns.ok[i] = True
                columns.words[i] = np.frombuffer(result.data, np.uint8).reshape(-1, _WORD)

    def put(self, columns: Columns, chunk: int, data: bytes) -> None:
        """Put the answer of a chunk into its rows; raises BadAnswer where it is not what aggregate3 returns."""
        size, start = self.sizes[chunk], self.starts[chunk]
        if (body := regular(data, size, self.words)) is not None:
            columns.ok[start : start + size], columns.words[start : start + size] = True, body
        else:
            self.fill(columns, range(start, start + size), decode_aggregate3(data, size))


def regular(data: bytes, count: int, words: int) -> Words | None:
    """Words of an aggregate3 answer all of whose calls succeeded with that many words; None where they did not."""
    row = _FRAME + words
    if len(data) != _WORD * (_HEAD + count + count * row):
        return None
    matrix: Any = np.frombuffer(data, np.uint8).reshape(-1, _WORD)
    frames = matrix[_HEAD + count :].reshape(count, row, _WORD)
    heads = matrix[: _HEAD + count]
    expected = _numbers([_WORD, count, *range(_WORD * count, _WORD * (count + count * row), _WORD * row)])
    frame = _numbers([1, 2 * _WORD, words * _WORD])
    if not (np.array_equal(heads, expected) and (frames[:, :_FRAME] == frame).all()):
        return None
    return frames[:, _FRAME:]  # type: ignore[no-any-return]


def _numbers(values: Sequence[int]) -> Words:
    """Small numbers as words."""
    out = np.zeros((len(values), 4), ">u8")
    out[:, 3] = values
    return out.view(np.uint8)


def _parameter(multicall3: Address, calls: Sequence[Call]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode({"to": multicall3, "data": "0x" + encode_aggregate3(calls).hex()}))


def from_hex(raw: msgspec.Raw, what: str) -> bytes:
    """Bytes of a JSON string ``"0x…"``; raises BadAnswer naming ``what``."""
    text = memoryview(raw)
    try:
        if bytes(text[:3]) == b'"0x' and bytes(text[-1:]) == b'"':
            return a2b_hex(text[3:-1])  # reads the answer where it lies: they are hundreds of kB
    except ValueError:
        pass
    raise BadAnswer(f"{what} answered {bytes(text[:40]).decode(errors='replace')}, expected 0x and whole bytes")
