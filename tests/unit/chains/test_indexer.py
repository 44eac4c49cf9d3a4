from dataclasses import replace
from decimal import Decimal

import pytest

from aggregator.store.index_store import SqlIndexStore
from aggregator.store.repository import Store
from chains.accounts import BOOKED, UNBOOKED, Position, PositionKind, VenueAccount, VenueId
from chains.caip import AssetId, account_id, chain_id
from chains.errors import BadAnswer
from chains.events import ZERO_ADDRESS, Names, VenueEvents, topic
from chains.indexer.digest import Watch, digest
from chains.indexer.owned import Positions
from chains.indexer.ranges import MANY_LOGS, RangeSize
from chains.indexer.standing import drift, standing
from chains.indexer.window import DENSE, BrokenLink, Window, wanted_headers
from chains.types import BlockRef, Finality, Log
from chains.venues.across.events import EVENTS as ACROSS
from chains.venues.uniswap.events import EVENTS as NFTS
from tests.kit.index import CONTRACT, EVENTS, TOUCHED, VENUE, ToyChain, ToyReader, address, indexer, settle

CHAIN = chain_id(1)
ACCOUNT = account_id(CHAIN, address(5))


def block(number: int, branch: int = 0, parent_branch: int | None = None) -> BlockRef:
    parent = branch if parent_branch is None else parent_branch
    return BlockRef(
        CHAIN, number, f"0x{branch:02x}{number:062x}", f"0x{parent:02x}{number - 1:062x}", number, Finality.LATEST
    )


def window(upto: int, branch: int = 0) -> Window:
    return Window(tuple(block(n, branch) for n in range(upto + 1)))


def test_a_block_must_point_to_the_one_before():
    with pytest.raises(BrokenLink, match="parent"):
        window(4).extended([block(5, branch=1)])
    assert window(4).extended([block(5)]).tip == block(5)


def test_blocks_only_go_up():
    with pytest.raises(BrokenLink, match="does not come after"):
        window(4).extended([block(4)])


def test_a_gap_is_no_broken_link():
    assert window(4).extended([block(9, branch=1)]).tip == block(9, branch=1)


@pytest.mark.parametrize("fork", [-1, 0, 3, 7])
def test_fork_is_the_highest_block_that_still_stands(fork):
    now = [block(n, branch=0 if n <= fork else 1) for n in range(8)]
    assert window(7).fork(now) == fork


def test_blocks_that_are_gone_do_not_stand():
    assert window(7).fork([block(0), block(1), None, None]) == 1


def test_thinning_keeps_all_near_the_tip_some_behind_and_the_first():
    thin, dropped = window(5000).thinned()
    numbers = [anchor.number for anchor in thin.anchors]
    assert numbers[0] == 0
    assert numbers[-DENSE - 1 :] == list(range(5000 - DENSE, 5001))
    assert len(numbers) < DENSE + 60
    assert sorted([*numbers, *dropped]) == list(range(5001))
    assert thin.thinned() == (thin, ())


def test_headers_are_dense_near_the_head_only():
    assert wanted_headers(0, 999, 10_000) == (0, 999)
    near = wanted_headers(9_000, 10_000, 10_000)
    assert near == (9_000, *range(10_000 - DENSE, 10_001))
    assert wanted_headers(7, 7, 7) == (7,)


def test_range_doubles_when_quick_and_halves_when_slow_fat_or_refused():
    size = RangeSize(256, 1000)
    assert size.after(1.9, 10).blocks == 512
    assert size.after(1.9, 10).after(1, 1).blocks == 1000
    assert size.after(3, 10).blocks == 256
    assert size.after(9, 10).blocks == 128
    assert size.after(0.1, MANY_LOGS + 1).blocks == 128
    assert RangeSize(1).smaller().blocks == 1


def test_range_is_halved_until_the_endpoint_takes_it():
    source, events = ToyChain(CHAIN), []
    source.mine(*[((1, 1),) for _ in range(99)])
    source.most_logs_range = 10
    index = indexer(source, NoStore(), events=events)
    run(index.follow())
    assert max(event.blocks for event in events) <= 10
    assert events[-1].tip == source.blocks[-1].ref


class NoStore:
    """Keeps nothing."""

    async def load(self, chain):
        return ()

    async def apply(self, chain, change):
        pass

    async def pick(self, chain, *, dirty, limit):
        return []


def run(work):
    import asyncio

    return asyncio.run(work)


def a_log(who: int, number: int = 3, topics: tuple[bytes, ...] | None = None, data: bytes = b"") -> Log:
    named = (topic(TOUCHED), int(address(who), 16).to_bytes(32)) if topics is None else topics
    return Log(CONTRACT, named, data, number, "0x" + "00" * 32, "0x" + "00" * 32, 0)


def watch(*venues: VenueEvents) -> Watch:
    found = venues or (EVENTS,)
    return Watch(CHAIN, found, {venue.venue: frozenset({CONTRACT}) for venue in found})


def test_digest_knows_first_and_last_block_of_each_account():
    found = digest([a_log(1, 3), a_log(2, 4), a_log(1, 9)], watch()).touches.found
    assert found == {account_id(CHAIN, address(1)): (3, 9), account_id(CHAIN, address(2)): (4, 4)}


def test_log_that_is_cut_short_is_counted_and_names_nobody():
    found = digest([a_log(1, topics=(topic(TOUCHED),)), a_log(2)], watch())
    assert found.undecodable == 1
    assert set(found.touches.found) == {account_id(CHAIN, address(2))}


def test_logs_of_other_contracts_say_nothing():
    other = a_log(1)._replace(address=address(77))
    assert digest([other], watch()).touches.found == {}


def test_event_that_names_nobody_concerns_all_holders():
    everybody = a_log(0, 6, (topic("Everybody()"),))
    assert digest([everybody], watch()).touches.holders == {VENUE: 6}


def test_new_contract_makes_its_venue_grow():
    growing = VenueEvents(VenueId("g"), {"Listed(address)": Names(new_contract=True)})
    log = a_log(0, 6, (topic("Listed(address)"), bytes(32)))
    assert digest([log], watch(growing)).grew == {VenueId("g")}


def test_zero_address_is_nobody():
    assert EVENTS.dirty_accounts(a_log(0)) == frozenset()


def test_words_of_the_data_name_accounts_too():
    events = VenueEvents(VENUE, {"Hit(uint256,address)": Names(words=(1,))})
    data = bytes(32) + int(address(9), 16).to_bytes(32)
    assert events.dirty_accounts(a_log(0, topics=(topic("Hit(uint256,address)"),), data=data)) == {address(9)}
    with pytest.raises(BadAnswer, match="too few"):
        events.dirty_accounts(a_log(0, topics=(topic("Hit(uint256,address)"),), data=data[:40]))


def test_fill_concerns_the_depositor_on_the_origin():
    (filled,) = [t for t, s in zip(ACROSS.by_topic, ACROSS.signatures, strict=True) if s.startswith("FilledRelay")]
    words = [bytes(32)] * 15
    words[8] = int(address(5), 16).to_bytes(32)
    log = a_log(0, topics=(filled, (10).to_bytes(32), bytes(32), bytes(32)), data=b"".join(words))
    assert ACROSS.mentions(CHAIN, log) == {account_id(chain_id(10), address(5))}
    assert ACROSS.dirty_accounts(log) == frozenset()


def leg(raw: int, *, booked: str | None = None, kind: PositionKind = PositionKind.COLLATERAL) -> Position:
    details = {} if booked is None else {BOOKED: booked}
    return Position(kind, AssetId(f"{CHAIN}/slip44:60"), "x", raw, 18, None, details)


def account(*legs: Position, venue: str = "toy") -> VenueAccount:
    from decimal import Decimal

    zero = Decimal(0)
    return VenueAccount(ACCOUNT, VenueId(venue), "", block(3), legs, (), zero, zero, (), None)


def test_interest_is_no_drift_but_a_booked_amount_is():
    before, accrued = account(leg(100, booked="90")), account(leg(101, booked="90"))
    assert drift(standing([before]), standing([accrued])) == ()
    assert drift(standing([before]), standing([account(leg(101, booked="91"))])) == ("toy",)


def test_a_position_that_came_or_went_is_drift():
    assert drift(standing([account(leg(1))]), standing([])) == ("toy",)
    assert drift(standing([]), standing([account(leg(1))])) == ("toy",)


def test_transfers_in_flight_end_by_themselves():
    moving = account(leg(7, kind=PositionKind.IN_FLIGHT))
    assert drift(standing([moving]), standing([])) == ()


def test_standing_does_not_depend_on_the_order_of_legs():
    one, two = leg(1), leg(2)
    assert standing([account(one, two)]) == standing([account(two, one)])


KEEPER = address(99)


def nft_log(number: int, signature: str, *words: int) -> Log:
    topics = (topic(signature), *(word.to_bytes(32) for word in words))
    return Log(CONTRACT, topics, bytes(128), number, "0x", "0x", 0)


def moved(number: int, giver: str, taker: str, token: int) -> Log:
    return nft_log(number, "Transfer(address,address,uint256)", int(giver, 16), int(taker, 16), token)


def collected(number: int, token: int) -> Log:
    return nft_log(number, "Collect(uint256,address,uint256,uint256)", token)


def seen(*logs: Log) -> Positions:
    positions = Positions(NFTS, frozenset({KEEPER}))
    for log in logs:
        positions.see(log)
    return positions


def test_an_event_between_transfers_belongs_to_who_had_it_then():
    found = seen(collected(3, 7), moved(4, address(1), address(2), 7), collected(5, 7), collected(6, 7))
    assert found.marked == {address(1): (3, 3), address(2): (5, 6)}
    assert found.waiting == {}


def test_what_no_transfer_tells_must_be_asked():
    found = seen(collected(3, 7), collected(9, 7), collected(4, 8))
    assert (found.marked, found.waiting) == ({}, {7: (3, 9), 8: (4, 4)})


def test_minted_and_burned_positions_belong_to_their_owners_only():
    mint, burn = moved(1, ZERO_ADDRESS, address(1), 7), moved(5, address(1), ZERO_ADDRESS, 7)
    found = seen(mint, collected(2, 7), burn, collected(6, 7))
    assert found.marked == {address(1): (2, 2)}
    assert found.waiting == {7: (6, 6)}


def test_what_the_venue_keeps_is_nobodys_until_the_chain_is_asked():
    found = seen(
        moved(1, address(1), KEEPER, 7), collected(2, 7), moved(3, KEEPER, address(1), 7), collected(4, 7)
    )
    assert found.marked == {address(1): (4, 4)}
    assert found.waiting == {7: (2, 2)}


def test_a_log_with_too_few_topics_is_refused():
    with pytest.raises(BadAnswer, match="too few"):
        seen(nft_log(1, "Collect(uint256,address,uint256,uint256)"))


def test_legs_that_come_and_go_by_themselves_do_not_stand():
    fees = Position(PositionKind.LP, AssetId("eip155:1/slip44:60"), "fees", 5, 18, None, {BOOKED: UNBOOKED})
    account = VenueAccount(ACCOUNT, VenueId("uniswap-v3"), "7", block(1), (fees,), (), None, Decimal(0), (), None)
    assert drift(standing([account]), standing([replace(account, positions=())])) == ()


def test_what_a_reader_does_not_know_stands_as_unknown_and_is_no_drift():
    venue = VenueId("uniswap-v3")
    vague = standing([], [venue])
    assert vague != standing([])
    assert drift(vague, standing([])) == () == drift(standing([]), vague)
    assert drift(vague, vague) == ()


async def test_an_unknown_mode_is_not_read_again_and_again():
    source, reader = ToyChain(CHAIN), ToyReader(ToyChain(CHAIN))
    reader.source, reader.reason = source, "unknown_mode"
    source.mine(((1, 5), (2, 7)))
    reader.broken.add(account_id(CHAIN, address(2)))
    store = await Store.open("sqlite+aiosqlite://")
    index = SqlIndexStore(store)
    follower = indexer(source, index, reader=reader)
    await settle(follower)
    assert await index.pick(CHAIN, dirty=True, limit=10) == []
    states = {one.account: one.state for one in await index.pick(CHAIN, dirty=False, limit=10)}
    assert "unknown" in states[account_id(CHAIN, address(2))]
    before = len(reader.reads)
    await settle(follower)
    assert len(reader.reads) == before
    source.mine(((2, 1),))  # its next event
    reader.broken.clear()
    await settle(follower)
    states = {one.account: one.state for one in await index.pick(CHAIN, dirty=False, limit=10)}
    assert "unknown" not in states[account_id(CHAIN, address(2))]
    await store.close()
