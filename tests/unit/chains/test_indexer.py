import pytest

from chains.caip import account_id, chain_id
from chains.errors import BadAnswer
from chains.events import Names, VenueEvents, topic
from chains.indexer.digest import Watch, digest
from chains.indexer.ranges import MANY_LOGS, RangeSize
from chains.indexer.standing import drift, standing
from chains.indexer.window import DENSE, BrokenLink, Window, wanted_headers
from chains.types import (
    BOOKED,
    AssetId,
    BlockRef,
    Finality,
    Log,
    Position,
    PositionKind,
    VenueAccount,
    VenueId,
)
from chains.venues.across.events import EVENTS as ACROSS
from tests.kit.index import CONTRACT, EVENTS, TOUCHED, VENUE, ToyChain, address, indexer

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
