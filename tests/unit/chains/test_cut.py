import asyncio
from collections.abc import Sequence

import pytest

from chains.caip import Address, ChainId, chain_id
from chains.cut import ChainRule, cut, tightest
from chains.errors import EndpointUnreachable
from chains.evm.client import EvmClient
from chains.types import ChainState, ChainStatus, Finality
from tests.kit.transport import FakeTransport, a_block, fake_chain

NOW = 1_000_000


def clients(*chains: Sequence[int]) -> dict[ChainId, EvmClient]:
    """Chain 1, 2, … with the timestamps of their blocks, seconds relative to NOW."""
    return {
        chain_id(i): EvmClient(chain_id(i), fake_chain(chain_id(i), [NOW + t for t in stamps]))
        for i, stamps in enumerate(chains, 1)
    }


class Broken(FakeTransport):
    async def send(self, requests: Sequence[tuple[str, list[object]]]) -> list[object]:
        raise EndpointUnreachable("eip155:9 endpoint 1: no answer in 10 s")


async def test_a_faster_chain_steps_back_to_the_slowest_head() -> None:
    found = await cut(clients(range(-120, -5, 12), range(-60, 0)), Finality.LATEST, NOW)
    assert {b.timestamp - NOW for b in found.blocks.values()} == {-12}
    assert found.max_skew_s == 0


async def test_the_block_after_is_taken_where_it_is_nearer() -> None:
    # slowest head at -10; the other has blocks at -30 and -9
    found = await cut(clients([-10], [-30, -9, -1]), Finality.LATEST, NOW)
    assert found.blocks[chain_id(2)].timestamp == NOW - 9
    assert found.max_skew_s == 1


async def test_of_several_blocks_in_one_second_the_last_is_taken() -> None:
    found = await cut(clients([-5], [-9, -5, -5, -5, -1]), Finality.LATEST, NOW)
    assert found.blocks[chain_id(2)].number == 3


async def test_the_search_is_a_few_exchanges() -> None:
    # four blocks a second, 20 s ahead of the slowest head
    both = clients([-20], [-40 + i // 4 for i in range(160)])
    found = await cut(both, Finality.LATEST, NOW)
    assert found.max_skew_s == 0
    assert found.blocks[chain_id(2)].number == 83
    transport = both[chain_id(2)]._transport
    assert isinstance(transport, FakeTransport)
    assert len(transport.sent) <= 4


async def test_the_step_back_is_bounded_in_blocks_and_in_seconds() -> None:
    by_blocks = await cut(clients([-50], range(-59, 0)), Finality.LATEST, NOW, max_step_back=10)
    assert by_blocks.blocks[chain_id(2)].timestamp == NOW - 11
    by_time = await cut(clients([-250], range(-300, 0)), Finality.LATEST, NOW, max_step_back_s=30)
    assert by_time.blocks[chain_id(2)].timestamp == NOW - 31
    assert by_time.max_skew_s == 219


async def test_a_failing_chain_is_a_reason_and_does_not_stop_the_others() -> None:
    all_chains = clients([-2], [-1])
    broken = chain_id(9)
    all_chains[broken] = EvmClient(broken, Broken({}))
    found = await cut(all_chains, Finality.LATEST, NOW)
    assert set(found.blocks) == {chain_id(1), chain_id(2)}
    assert found.failures == {broken: "eip155:9 endpoint 1: no answer in 10 s"}


async def test_an_endpoint_that_never_answers_holds_up_nobody() -> None:
    class Silent(FakeTransport):
        async def send(self, requests: Sequence[tuple[str, list[object]]]) -> list[object]:
            await asyncio.sleep(60)
            return []

    all_chains = clients([-2])
    all_chains[chain_id(9)] = EvmClient(chain_id(9), Silent({}))
    found = await cut(all_chains, Finality.LATEST, NOW, timeout_s=0.01)
    assert found.failures == {chain_id(9): "eip155:9: no latest block within 0.01 s"}
    assert set(found.blocks) == {chain_id(1)}


async def test_a_stalled_chain_is_a_failure_and_drags_nobody_back() -> None:
    found = await cut(clients([-500], [-30, -1]), Finality.LATEST, NOW)
    assert found.blocks[chain_id(2)].timestamp == NOW - 1
    assert found.failures == {chain_id(1): "eip155:1: latest block 0 is 500 s old, limit 300 s"}


async def test_no_chain_at_all_is_an_empty_cut() -> None:
    found = await cut(clients([-5000]), Finality.LATEST, NOW)
    assert found.blocks == {}
    assert found.max_skew_s == 0


def test_the_tightest_combination_is_found() -> None:
    a, b, c = (chain_id(i) for i in (1, 2, 3))
    lists = [
        [a_block(a, 1, 100)],
        [a_block(b, 1, 90), a_block(b, 2, 103)],
        [a_block(c, 1, 99), a_block(c, 2, 104)],
    ]
    assert [block.timestamp for block in tightest(lists)] == [100, 103, 104]


async def test_each_chain_may_have_its_own_tag_and_limit() -> None:
    both = clients([-400, -2], [-400])
    one, two = both
    rules = {one: ChainRule(finality=Finality.SAFE), two: ChainRule(max_head_age_s=500)}
    found = await cut(both, Finality.LATEST, NOW, rules=rules)
    assert found.blocks[one].finality is Finality.SAFE
    assert found.blocks[two].finality is Finality.LATEST
    assert found.failures == {}


async def test_stalled_and_unreachable_are_told_apart() -> None:
    some = clients([-500], [-1])
    broken = chain_id(9)
    some[broken] = EvmClient(broken, Broken({}))
    found = await cut(some, Finality.LATEST, NOW)
    assert {chain: found.state(chain).status for chain in some} == {
        chain_id(1): ChainStatus.STALLED,
        chain_id(2): ChainStatus.OK,
        broken: ChainStatus.UNREACHABLE,
    }
    assert found.state(chain_id(1)).reason == found.failures[chain_id(1)]


FEED = Address("0x" + "5E" * 20)


def with_feed(answer: int, started_at: int) -> EvmClient:
    """A chain whose uptime feed says this."""
    words = [1, answer, started_at, started_at, 1]
    inner = b"".join(w.to_bytes(32) for w in words)
    answered = b"".join(w.to_bytes(32) for w in (32, 1, 32, 1, 64, len(inner))) + inner
    transport = fake_chain(chain_id(10), [NOW - 5])
    answers = {**transport.answers, "eth_call": lambda _: "0x" + answered.hex()}
    return EvmClient(chain_id(10), FakeTransport(answers))


@pytest.mark.parametrize(
    ("answer", "started_at", "status", "reason"),
    [
        (0, NOW - 9000, ChainStatus.OK, ""),
        (1, NOW - 90, ChainStatus.SEQUENCER_DOWN, f"sequencer is down since {NOW - 90} (uptime feed answers 1)"),
        (0, NOW - 90, ChainStatus.SEQUENCER_RECOVERING, "sequencer is up again for 85 s only, grace 3600 s"),
        (0, 0, ChainStatus.SEQUENCER_DOWN, "uptime feed was never initialised (startedAt 0)"),
    ],
)
async def test_a_sequencer_that_is_down_is_a_status_and_its_block_stays(
    answer: int, started_at: int, status: ChainStatus, reason: str
) -> None:
    rules = {chain_id(10): ChainRule(sequencer_uptime=FEED)}
    found = await cut({chain_id(10): with_feed(answer, started_at)}, Finality.LATEST, NOW, rules=rules)
    assert found.blocks[chain_id(10)].timestamp == NOW - 5
    assert found.state(chain_id(10)) == ChainState(status, reason)
    assert found.failures == {}


async def test_an_uptime_feed_that_cannot_be_read_counts_as_down() -> None:
    some = clients([-5])
    found = await cut(some, Finality.LATEST, NOW, rules={chain_id(1): ChainRule(sequencer_uptime=FEED)})
    assert found.state(chain_id(1)).status is ChainStatus.SEQUENCER_DOWN
    assert found.state(chain_id(1)).reason.startswith("uptime feed: eip155:1: eth_call failed")
