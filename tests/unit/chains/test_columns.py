import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.caip import Address, ChainId
from chains.errors import BadAnswer
from chains.evm.client import EvmClient
from chains.evm.columns import ColumnRead, Columns, from_hex, regular
from chains.evm.multicall import decode_aggregate3
from chains.types import Call
from tests.kit.transport import FakeTransport, a_block

OP = ChainId("eip155:10")
TARGET = Address("0x" + "11" * 20)
WORDS = st.integers(0, 2**256 - 1)


def aggregate(results: list[tuple[bool, bytes]]) -> bytes:
    """Answer of aggregate3, written by the contract ABI's rules."""
    bodies, offsets, position = [], [], 32 * len(results)
    for ok, data in results:
        body = int(ok).to_bytes(32) + (64).to_bytes(32) + len(data).to_bytes(32) + data + bytes(-len(data) % 32)
        offsets.append(position.to_bytes(32))
        bodies.append(body)
        position += len(body)
    return b"".join([(32).to_bytes(32), len(results).to_bytes(32), *offsets, *bodies])


def read(count: int, words: int, chunk: int = 3) -> ColumnRead:
    return ColumnRead([Call(TARGET, bytes([i]) * 4) for i in range(count)], words, chunk=chunk)


def decoded(wanted: ColumnRead, chunks: list[bytes]) -> Columns:
    """Answers put in backwards: their order is that of the calls, not of their coming."""
    columns = wanted.empty()
    for chunk, data in reversed(list(enumerate(chunks))):
        wanted.put(columns, chunk, data)
    return columns


@given(st.lists(st.lists(WORDS, min_size=2, max_size=2), min_size=1, max_size=8))
def test_columns_are_the_words_of_every_answer(rows: list[list[int]]) -> None:
    results = [(True, b"".join(value.to_bytes(32) for value in row)) for row in rows]
    chunks = [aggregate(results[i : i + 3]) for i in range(0, len(results), 3)]
    columns = decoded(read(len(rows), 2), chunks)
    assert columns.ok.all()
    assert [columns.column(0), columns.column(1)] == [list(column) for column in zip(*rows, strict=True)]
    assert columns.unsigned() == pytest.approx(np.array(rows, float), rel=1e-15)
    assert columns.limbs[0, 0].tolist() == [(rows[0][0] >> shift) & (2**64 - 1) for shift in (192, 128, 64, 0)]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0, 4, 32, 64, 96])), min_size=1, max_size=6))
def test_an_answer_of_another_shape_marks_its_row_and_no_other(shapes: list[tuple[bool, int]]) -> None:
    results = [(ok, bytes([7]) * size) for ok, size in shapes]
    columns = decoded(read(len(shapes), 2, chunk=9), [aggregate(results)])
    assert columns.ok.tolist() == [ok and size == 64 for ok, size in shapes]
    assert all(not columns.words[i].any() for i, ok in enumerate(columns.ok) if not ok)


@given(st.integers(0, 10**6), st.integers(0, 31), st.integers(1, 255))
def test_the_fast_way_takes_nothing_that_the_careful_way_reads_differently(at: int, byte: int, flip: int) -> None:
    data = bytearray(aggregate([(True, i.to_bytes(32) * 2) for i in range(4)]))
    data[(at % (len(data) // 32)) * 32 + byte] ^= flip
    found = regular(bytes(data), 4, 2)
    if found is not None:
        assert [found[i].tobytes() for i in range(4)] == [r.data for r in decode_aggregate3(bytes(data), 4)]


async def test_failed_calls_are_asked_again_alone_and_the_rest_stands() -> None:
    full = (9).to_bytes(32)
    asked: list[int] = []

    def call(params: list[object]) -> object:
        asked.append(len(asked))
        answers = [(True, full), (False, b""), (True, full)] if len(asked) == 1 else [(True, full)]
        return "0x" + aggregate(answers).hex()

    client = EvmClient(OP, FakeTransport({"eth_call": call}))
    columns = await client.columns(read(3, 1), a_block(OP, 1, 0))
    assert columns.ok.all()
    assert columns.column(0) == [9, 9, 9]
    assert len(asked) == 2


async def test_a_cut_answer_is_bad() -> None:
    data = aggregate([(True, bytes(64))] * 3)[:-32]
    client = EvmClient(OP, FakeTransport({"eth_call": lambda _: "0x" + data.hex()}))
    with pytest.raises(BadAnswer, match="aggregate3: "):
        await client.columns(read(3, 2), a_block(OP, 1, 0))


@pytest.mark.parametrize("text", ['"0x1"', '"1234"', "7", "null", '"0xzz"', '"0x12', "[]"])
def test_what_is_not_hex_is_bad(text: str) -> None:
    with pytest.raises(BadAnswer, match="eth_call answered"):
        from_hex(msgspec.Raw(text.encode()), "eth_call")
