"""Many logs of one event as columns, without an object per log.

A node prints every log with the same keys in the same order, so that logs whose text has the same length differ in
their hex digits only. Such logs are laid over each other as rows of letters: what must be alike is compared, what
differs is decoded, all rows at once. Logs in any other shape are read one by one.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from chains.errors import BadAnswer
from chains.evm.logs import unsorted_logs
from chains.types import Log

Octets = npt.NDArray[np.uint8]
Places = npt.NDArray[np.intp]

_WORD: Final = 32
_HASH: Final = 2 * _WORD
_TOPIC: Final = _HASH + len('"0x",')
_NUMBER: Final = 8
"""Bytes that a block number or a log's index may have."""
_WANTED: Final = frozenset({b"address", b"topics", b"data", b"blockHash", b"blockNumber", b"logIndex"})
_NEEDED: Final = _WANTED | {b"transactionHash"}
_IS_DIGIT: Final = np.isin(np.arange(256), np.frombuffer(b"0123456789abcdefABCDEF", np.uint8))
_FIELD = re.compile(
    rb'"([A-Za-z]+)":(?:"0x([0-9a-fA-F]*)"|(\[(?:"0x[0-9a-fA-F]{64}"(?:,(?=")|(?=\])))*\])|true|false|null)([,}])'
)
_LAYOUTS: Final = 32
"""An answer in so many more layouts than it has lengths is read log by log."""
_ROWS: Final = 1024
"""Logs laid over each other at once: more need memory that is returned and taken anew each time."""


@dataclass(frozen=True, slots=True, eq=False)
class LogColumns:
    """Logs of one event shape, as they came: row i is log i of the answer, 32-byte words big-endian."""

    addresses: Octets
    """Shape (logs, 20)."""
    topics: Octets
    """Shape (logs, topics, 32)."""
    data: Octets
    """Shape (logs, words, 32)."""
    block_numbers: npt.NDArray[np.int64]
    log_indices: npt.NDArray[np.int64]
    block_hashes: Octets
    """Shape (logs, 32)."""

    def __len__(self) -> int:
        return len(self.block_numbers)


class _Layout(NamedTuple):
    """Where the text of a log has what: columns of the first digit and behind the last."""

    octets: list[tuple[int, int]]
    """Address, topics, data, block hash."""
    numbers: list[tuple[int, int]]
    """Block number, log index."""
    others: list[tuple[int, int]]
    """Digits that nobody asked for."""


def log_columns(raw: msgspec.Raw, topics: int, words: int, where: str) -> LogColumns:
    """Columns of logs that all have so many topics and words of data; raises BadAnswer where one has not."""
    table = _overlaid(raw, topics, words)
    if table is None:
        table = _one_by_one(raw, topics, words, where)
    size, data, block_hash = len(table), 20 + _WORD * topics, 20 + _WORD * (topics + words)
    numbers = table[:, block_hash + _WORD :].copy().view(">i8").astype(np.int64)
    return LogColumns(
        addresses=table[:, :20],
        topics=table[:, 20:data].reshape(size, topics, _WORD),
        data=table[:, data:block_hash].reshape(size, words, _WORD),
        block_numbers=numbers[:, 0],
        log_indices=numbers[:, 1],
        block_hashes=table[:, block_hash : block_hash + _WORD],
    )


def _width(topics: int, words: int) -> int:
    """Bytes of a row: address, topics, data, block hash, two numbers."""
    return 20 + _WORD * (topics + words + 1) + 2 * _NUMBER


def _one_by_one(raw: msgspec.Raw, topics: int, words: int, where: str) -> Octets:
    logs = unsorted_logs(raw, where)
    for log in logs:
        if len(log.topics) != topics:
            raise BadAnswer(f"{where}: eth_getLogs: a log has not {topics} topics")
        if len(log.data) != _WORD * words:
            raise BadAnswer(f"{where}: eth_getLogs: the data of a log has not {_WORD * words} bytes")
        if max(log.block_number, log.log_index) >= 1 << 63:
            raise BadAnswer(f"{where}: eth_getLogs: a number is larger than 63 bits")
    return np.frombuffer(b"".join(map(_row, logs)), np.uint8).reshape(len(logs), _width(topics, words))


def _row(log: Log) -> bytes:
    address, block_hash = bytes.fromhex(log.address[2:]), bytes.fromhex(log.block_hash[2:])
    numbers = log.block_number.to_bytes(_NUMBER), log.log_index.to_bytes(_NUMBER)
    return b"".join((address, *log.topics, log.data, block_hash, *numbers))


def _overlaid(raw: msgspec.Raw, topics: int, words: int) -> Octets | None:
    """Rows of logs that are printed alike; None where they are not."""
    letters = np.frombuffer(raw, np.uint8)
    starts = np.flatnonzero(letters == ord("{"))
    ends = np.append(starts[1:], len(letters)) - 1
    commas = letters[ends[:-1]]
    if not len(starts) or starts[0] != 1 or (commas != ord(",")).any():
        return None
    table = np.empty((len(starts), _width(topics, words)), np.uint8)
    waiting = list(_by_length(starts, ends))
    for _ in range(_LAYOUTS + len(waiting)):
        if not waiting:
            return table
        rows, length = waiting.pop()
        grid = _grid(letters, starts[rows], length)
        layout = _layout(grid[0].tobytes(), topics)
        same = None if layout is None else _same(grid, layout)
        if layout is None or same is None:
            return None
        if not same.all():
            waiting.append((rows[~same], length))
            rows, grid = rows[same], grid[same]
        decoded = _decoded(grid, layout, table.shape[1])
        if decoded is None:
            return None
        table[rows] = decoded
    return None


def _by_length(starts: Places, ends: Places) -> Iterator[tuple[Places, int]]:
    """Rows whose text is of one length, with that length."""
    lengths = ends - starts
    for length in np.flatnonzero(np.bincount(lengths)):
        rows = np.flatnonzero(lengths == length)
        for first in range(0, len(rows), _ROWS):
            yield rows[first : first + _ROWS], int(length)


def _grid(letters: Octets, starts: Places, length: int) -> Octets:
    """Texts of one length, one a row: whole texts are copied at once."""
    windows: Any = np.ndarray((len(letters) - length + 1,), f"V{length}", letters, strides=(1,))
    return windows[starts].view(np.uint8).reshape(len(starts), length)  # type: ignore[no-any-return]


def _layout(text: bytes, topics: int) -> _Layout | None:
    """Where a log has its digits; None where it is not printed as nodes do, or has other topics."""
    found: dict[bytes, list[tuple[int, int]]] = {}
    at = 1
    for field in _FIELD.finditer(text):
        name = field[1]
        if field.start() != at or name in found or (field[4] == b"}") != (field.end() == len(text)):
            return None
        at = field.end()
        if field[2] is not None:
            found[name] = [field.span(2)]
        elif field[3] is not None:
            first = field.start(3) + len('["0x')
            found[name] = [(start, start + _HASH) for start in range(first, field.end(3) - 1, _TOPIC)]
    if at != len(text) or not found.keys() >= _NEEDED or len(found[b"topics"]) != topics:
        return None
    if [last - first for first, last in found[b"transactionHash"]] != [_HASH]:
        return None
    octets = found[b"address"] + found[b"topics"] + found[b"data"] + found[b"blockHash"]
    others = [span for name in found.keys() - _WANTED for span in found[name]]
    return _Layout(octets, found[b"blockNumber"] + found[b"logIndex"], others)


def _same(grid: Octets, layout: _Layout) -> npt.NDArray[np.bool_] | None:
    """Rows that have the first one's letters wherever it has no digits.

    None where there is no digit in a place that nobody asked for: a string could end there and another begin.
    """
    fixed = np.ones(grid.shape[1], np.bool_)
    for first, last in layout.octets + layout.numbers + layout.others:
        fixed[first:last] = False
    if not all(_IS_DIGIT[grid[:, first:last]].all() for first, last in layout.others):
        return None
    low, high = np.bitwise_and.reduce(grid, axis=0), np.bitwise_or.reduce(grid, axis=0)
    if not (low != high)[fixed].any():
        return np.ones(len(grid), np.bool_)
    return np.asarray((grid[:, fixed] == grid[0, fixed]).all(axis=1))


def _decoded(grid: Octets, layout: _Layout, width: int) -> Octets | None:
    """Bytes of the digits, row by row; None where they are not digits or not as many as wanted."""
    numbers = np.full((len(grid), 2, 2 * _NUMBER), ord("0"), np.uint8)
    for column, (first, last) in enumerate(layout.numbers):
        if not 0 < last - first <= 2 * _NUMBER:
            return None
        numbers[:, column, first - last :] = grid[:, first:last]
    parts = [*(grid[:, first:last] for first, last in layout.octets), numbers.reshape(len(grid), -1)]
    digits = np.concatenate(parts, axis=1)
    if digits.shape[1] != 2 * width or (numbers[:, :, 0] > ord("7")).any():
        return None
    try:
        return np.frombuffer(binascii.unhexlify(digits.data), np.uint8).reshape(len(grid), width)
    except ValueError:
        return None
