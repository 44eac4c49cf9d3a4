"""The wrappers of the transport, one at a time, without a socket."""

import asyncio
import json
from collections.abc import Callable, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.caip import ChainId
from chains.errors import EndpointError, EndpointUnreachable, RateLimited, WrongChainId
from chains.evm.adapt import GROW_AFTER, Batched, LogRanges, Size
from chains.evm.agreement import is_pinned
from chains.evm.breaker import Breaker
from chains.evm.budget import Bounded, Resting, Throttled
from chains.evm.guard import ChainChecked, HeadBook, Header, KnownLogs, NoNulls
from chains.evm.http_wire import retry_after_s
from chains.evm.jsonrpc import Request, RpcFault, TooLarge, is_safe, value
from chains.evm.limits import TransportLimits
from chains.evm.observe import EndpointName, Silent

OP = ChainId("eip155:10")
NAME = EndpointName(OP, 1)
Answerer = Callable[[Sequence[Request]], list[object]]


class Wire:
    """A Link that answers by a function and keeps what it was asked."""

    def __init__(self, answer: Answerer) -> None:
        self.answer = answer
        self.asked: list[list[Request]] = []
        self.generation = 0
        self.running = self.most_running = 0

    async def ready(self) -> int:
        return self.generation

    async def send(self, requests: Sequence[Request]) -> list[object]:
        self.asked.append(list(requests))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(0)
            return self.answer(requests)
        finally:
            self.running -= 1


def raw(content: object) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(content).encode())


def ok(requests: Sequence[Request]) -> list[object]:
    return [raw(params) for _, params in requests]


CALLS: list[Request] = [("eth_call", [i]) for i in range(20)]


@given(st.integers(1, 25), st.integers(1, 25))
async def test_any_batch_limit_gives_all_answers_in_order(most: int, accepted: int) -> None:
    def answer(requests: Sequence[Request]) -> list[object]:
        if len(requests) > accepted:
            raise TooLarge("too large")
        return ok(requests)

    batched = Batched(Wire(answer), NAME, most)
    assert [value(a) for a in await batched.send(CALLS)] == [[i] for i in range(20)]
    assert batched.size.now <= max(accepted, 1) or most <= accepted or len(CALLS) <= accepted


def test_a_refused_size_is_tried_again_after_a_while() -> None:
    size = Size(100)
    size.refused(100)
    assert size.now == 50
    for _ in range(GROW_AFTER):
        size.worked(50)
    assert size.now == 100


@given(st.integers(1, 20), st.integers(0, GROW_AFTER // 2 - 2), st.booleans())
async def test_any_log_range_limit_gives_every_log_once_in_order(limit: int, last: int, advised: bool) -> None:
    def answer(requests: Sequence[Request]) -> list[object]:
        answers: list[object] = []
        for _, params in requests:
            query = params[0]
            assert isinstance(query, dict)
            first, end = int(query["fromBlock"], 16), int(query["toBlock"], 16)
            hint = f" this block range should work: [{hex(first)}, {hex(first + limit - 1)}]" if advised else ""
            too_wide = RpcFault(-32000, f"block range is too wide.{hint}")
            answers.append(too_wide if end - first >= limit else raw(list(range(first, end + 1))))
        return answers

    wire = Wire(answer)
    ranges = LogRanges(wire)
    wanted: list[Request] = [("eth_getLogs", [{"fromBlock": "0x0", "toBlock": hex(last), "address": "0x1"}])]
    assert [value(a) for a in await ranges.send(wanted)] == [list(range(last + 1))]
    before = len(wire.asked)
    assert [value(a) for a in await ranges.send(wanted)] == [list(range(last + 1))]
    assert len(wire.asked) == before + 1


async def test_a_log_query_of_one_block_that_is_refused_is_its_own_fault() -> None:
    fault = RpcFault(-32000, "query returned more than 10000 results")
    ranges = LogRanges(Wire(lambda requests: [fault for _ in requests]))
    assert await ranges.send([("eth_getLogs", [{"fromBlock": "0x5", "toBlock": "0x5"}])]) == [fault]


async def test_logs_past_the_endpoints_head_are_an_unknown_block() -> None:
    def answer(requests: Sequence[Request]) -> list[object]:
        head = 7
        return [
            raw([] if method == "eth_getLogs" else ({"number": 1} if int(str(params[0]), 16) <= head else None))
            for method, params in requests
        ]

    def logs(to: int) -> Request:
        return ("eth_getLogs", [{"fromBlock": "0x0", "toBlock": hex(to)}])

    known, beyond = await KnownLogs(Wire(answer)).send([logs(7), logs(8)])
    assert value(known) == []
    assert isinstance(beyond, RpcFault)
    assert beyond.unknown_block


@pytest.mark.parametrize(("limit", "weights", "expected"), [(10, 1, 1), (9, 3, 3)])
async def test_weights_count_against_the_rate(limit: int, weights: int, expected: int) -> None:
    throttled = Throttled(Wire(ok), TransportLimits(rate_per_s=limit, weights={"eth_call": weights}))
    await throttled.send(CALLS[: limit // weights])
    assert len(throttled._window._task_logs) == limit // weights * expected


@pytest.mark.parametrize(("part", "for_s", "most"), [(10, 60, 10), (3, 60, 3), (0, 60, 1), (10, 0, 1)])
async def test_of_a_lent_rate_only_the_own_part_is_spent_and_the_least_without_one(part, for_s, most) -> None:
    throttled = Throttled(Wire(ok), TransportLimits(rate_per_s=10))
    throttled.keep_to(part, for_s)
    await throttled.send(CALLS[:most])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await throttled.send(CALLS[:1])


async def test_what_is_wanted_counts_what_came_and_what_waits() -> None:
    throttled = Throttled(Wire(ok), TransportLimits(rate_per_s=4))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await throttled.send(CALLS[:6])
    assert throttled.asked() == 6
    assert throttled.asked() == 3  # nobody waits any more
    waiting = asyncio.create_task(throttled.send(CALLS[:6]))
    await asyncio.sleep(0)
    assert throttled.asked() >= 6
    assert throttled.asked() >= 6  # it waits still
    waiting.cancel()


async def test_no_more_exchanges_than_allowed_run_at_once() -> None:
    wire = Wire(ok)
    bounded = Bounded(wire, 3)
    await asyncio.gather(*(bounded.send([call]) for call in CALLS))
    assert wire.most_running == 3


async def test_an_endpoint_that_asked_for_rest_is_not_asked() -> None:
    def limited(_: Sequence[Request]) -> list[object]:
        raise RateLimited("slow down", 60)

    wire = Wire(limited)
    resting = Resting(wire, NAME)
    for _ in range(3):
        with pytest.raises(RateLimited) as caught:
            await resting.send(CALLS[:1])
        assert caught.value.retry_after_s == pytest.approx(60, abs=1)
    assert len(wire.asked) == 1


async def test_the_chain_is_proved_once_per_connection() -> None:
    chain = ["0xa"]

    def answer(requests: Sequence[Request]) -> list[object]:
        return [raw(chain[0]) if method == "eth_chainId" else raw(1) for method, _ in requests]

    wire = Wire(answer)
    checked = ChainChecked(wire, wire, NAME)
    for _ in range(3):
        await checked.send(CALLS[:1])
    assert len(wire.asked) == 4
    wire.generation, chain[0] = 1, "0x1"
    with pytest.raises(WrongChainId):
        await checked.send(CALLS[:1])
    chain[0] = "0xa"
    await checked.send(CALLS[:1])


@pytest.mark.parametrize(
    ("request_", "refused"),
    [
        (("eth_call", []), True),
        (("eth_getLogs", []), True),
        (("eth_getBlockByNumber", ["latest", False]), True),
        (("eth_getBlockByNumber", ["0x9", False]), False),
        (("eth_getTransactionReceipt", ["0x"]), False),
    ],
)
async def test_null_is_refused_where_it_is_no_answer(request_: Request, refused: bool) -> None:
    guarded = NoNulls(Wire(lambda requests: [raw(None) for _ in requests]), NAME)
    if refused:
        with pytest.raises(EndpointUnreachable, match="answered null"):
            await guarded.send([request_])
    else:
        assert [value(a) for a in await guarded.send([request_])] == [None]


def head(number: int, name: str = "a", at: int = 0) -> Header:
    return Header(hex(number), name, hex(at or number * 10))


def test_a_head_behind_anothers_is_refused_until_that_one_says_so_too() -> None:
    book = HeadBook(TransportLimits())
    assert book.judge(1, head(100), is_head=True, now=0) is None
    assert book.judge(2, head(97), is_head=True, now=1) is None
    assert book.judge(2, head(90), is_head=True, now=2) == "head 90 is 10 blocks behind another endpoint's"
    assert book.judge(1, head(90), is_head=True, now=3) is None  # the chain really went back
    assert book.judge(2, head(90), is_head=True, now=4) is None
    assert book.judge(1, head(100), is_head=True, now=5) is None
    assert book.judge(2, head(90), is_head=True, now=99) is None  # the other has not been heard of for long


def test_of_two_hashes_the_older_claim_is_believed_until_its_owner_changes_it() -> None:
    book = HeadBook(TransportLimits())
    assert book.judge(1, head(5, "old"), is_head=False, now=0) is None
    assert book.judge(2, head(5, "new"), is_head=False, now=1) == "block 5 has another hash than at endpoint 1"
    assert book.judge(1, head(5, "old"), is_head=False, now=2) is None
    assert book.judge(2, head(5, "new"), is_head=False, now=3) is not None
    assert book.judge(1, head(5, "new"), is_head=False, now=4) is None
    assert book.judge(2, head(5, "new"), is_head=False, now=5) is None


async def test_the_circuit_opens_is_probed_once_at_a_time_and_closes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    working = [False]

    def answer(requests: Sequence[Request]) -> list[object]:
        if not working[0]:
            raise EndpointUnreachable("eip155:10 endpoint 1: no answer in 1 s")
        return ok(requests)

    wire = Wire(answer)
    limits = TransportLimits(failures_to_open=2, open_s=0.02, open_cap_s=0.02)
    breaker = Breaker(wire, NAME, limits, Silent())
    for _ in range(2):
        with pytest.raises(EndpointUnreachable, match=r"no answer in 1 s$"):
            await breaker.send(CALLS[:1])
    assert breaker.is_open
    with pytest.raises(EndpointUnreachable, match=r"no answer in 1 s \(not asked for 0.0 s more\)"):
        await breaker.send(CALLS[:1])
    assert len(wire.asked) == 2
    await asyncio.sleep(0.03)
    probes = await asyncio.gather(*(breaker.send(CALLS[:1]) for _ in range(4)), return_exceptions=True)
    assert all(isinstance(probe, EndpointError) for probe in probes)
    assert len(wire.asked) == 3
    working[0] = True
    await asyncio.sleep(0.03)
    await breaker.send(CALLS[:1])
    assert not breaker.is_open
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "works again" in said[1]


@pytest.mark.parametrize(
    ("method", "safe"),
    [
        ("eth_call", True), ("eth_getLogs", True), ("eth_blockNumber", True), ("debug_traceCall", True),
        ("eth_sendRawTransaction", False), ("eth_sendTransaction", False), ("eth_subscribe", False),
        ("eth_newFilter", False), ("eth_getFilterChanges", False), ("evm_mine", False),
        ("anvil_setBalance", False),
    ],
)  # fmt: skip
def test_only_reads_may_be_sent_twice(method: str, safe: bool) -> None:
    assert is_safe(method) == safe


@pytest.mark.parametrize(
    ("request_", "pinned"),
    [
        (("eth_call", [{}, {"blockHash": "0x1"}]), True),
        (("eth_call", [{}, "0x5"]), True),
        (("eth_call", [{}, "latest"]), False),
        (("eth_getBlockByNumber", ["latest", False]), False),
        (("eth_getBlockByNumber", ["0x5", False]), True),
        (("eth_getLogs", [{"fromBlock": "0x1", "toBlock": "0x2"}]), True),
        (("eth_getLogs", [{"fromBlock": "0x1", "toBlock": "latest"}]), False),
        (("eth_gasPrice", []), False),
    ],
)
def test_only_what_can_never_change_is_asked_of_witnesses(request_: Request, pinned: bool) -> None:
    assert is_pinned(request_) == pinned


def test_retry_after_is_a_number_or_a_date() -> None:
    assert retry_after_s("3") == 3
    assert retry_after_s("0.5") == 0.5
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert (retry_after_s("Wed, 21 Oct 2115 07:28:00 GMT") or 0) > 1e9
    assert [retry_after_s(text) for text in (None, "soon", "nan")] == [None, None, None]
