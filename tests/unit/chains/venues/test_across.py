"""Across deposits, refunds and transfers decoded from hand-made logs."""

from dataclasses import replace
from decimal import Decimal

import pytest
from eth_abi.abi import encode

from chains.caip import Address, AssetId, ChainId, account_id, chain_number, erc20
from chains.deployments import AssetInfo, ChainDeployment
from chains.errors import BadAnswer, EndpointUnreachable
from chains.types import BlockRef, Call, CallResult, Cut, Finality, Log, LogFilter
from chains.venues.across import VENUE, AcrossReader
from chains.venues.across.deposits import (
    DEPOSITED,
    DEPOSITED_DATA,
    REFUNDED,
    REFUNDED_DATA,
    Deposit,
    Progress,
    decode_deposit,
    decode_refunds,
    decode_transfer,
    refunded,
    to_word,
)
from chains.venues.across.reader import FILL_STATUS, PAUSED_DEPOSITS, PAUSED_FILLS
from tests.kit.transport import FakeChainClient, a_block

ORIGIN, DESTINATION = ChainId("eip155:1"), ChainId("eip155:10")
POOL, SENT, RECEIVED, PAYER, PAYEE = (Address("0x" + digit * 40) for digit in "12345")
NOW = 1_700_000_000
AT, THERE = a_block(ORIGIN, 100, NOW), a_block(DESTINATION, 100, NOW)
INFOS: dict[AssetId, AssetInfo] = {
    asset: AssetInfo(asset, "USDC", 6, "USDC", "USDC", peg="USD")
    for asset in (erc20(ORIGIN, SENT), erc20(DESTINATION, RECEIVED))
}
ACCOUNT = account_id(ORIGIN, PAYER)
FLYING = Progress(slow_fill=False, expired=False, fills_paused=False, age_s=60)
EXPIRED = replace(FLYING, expired=True)


def a_deposit(number: int = 7, amount: int = 10**9, **changes: object) -> Deposit:
    deposit = Deposit(
        origin=ORIGIN, destination=DESTINATION, id=number, block_number=90, depositor=to_word(PAYER),
        recipient=to_word(PAYER), input_token=to_word(SENT), output_token=to_word(RECEIVED), input_amount=amount,
        output_amount=amount - 400, fill_deadline=NOW + 600, exclusivity_deadline=0, exclusive_relayer=bytes(32),
        message=b"",
    )  # fmt: skip
    return replace(deposit, **changes)  # type: ignore[arg-type]


def log_of(deposit: Deposit) -> Log:
    destination = chain_number(deposit.destination).to_bytes(32)
    topics = (DEPOSITED, destination, deposit.id.to_bytes(32), deposit.depositor)
    data = encode(
        DEPOSITED_DATA,
        (
            deposit.input_token, deposit.output_token, deposit.input_amount, deposit.output_amount, NOW - 60,
            deposit.fill_deadline, deposit.exclusivity_deadline, deposit.recipient, deposit.exclusive_relayer,
            deposit.message,
        ),
    )  # fmt: skip
    return Log(POOL, topics, data, deposit.block_number, AT.hash, "0x" + "00" * 32, 0)


def refund_log(block: int, *refunds: tuple[Address, int], token: Address = SENT, deferred: bool = False) -> Log:
    receivers, amounts = [r for r, _ in refunds], [a for _, a in refunds]
    data = encode(REFUNDED_DATA, (0, amounts, token, receivers, deferred, POOL))
    return Log(POOL, (REFUNDED,), data, block, AT.hash, "0x" + "00" * 32, 0)


def test_a_log_is_the_deposit_it_says() -> None:
    deposit = a_deposit(message=b"\x01\x02", recipient=to_word(PAYEE), exclusivity_deadline=NOW)
    assert decode_deposit(ORIGIN, log_of(deposit)) == deposit


def test_the_relay_hash_names_every_field_and_the_destination() -> None:
    # Of getV3RelayHash on an anvil chain 10 with SpokePool 5.0.27, for the deposit printed beside it there.
    depositor = to_word(Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"))
    token = to_word(Address("0xDc64a140Aa3E981100a9becA4E685f962f0cF6C9"))
    deposit = a_deposit(
        0, 150_000 * 10**6, depositor=depositor, recipient=depositor, input_token=token, output_token=token,
        output_amount=149_940 * 10**6, fill_deadline=1_700_014_401,
    )  # fmt: skip
    assert deposit.relay_hash.hex() == "53c2b39cf4612131ce375d1c589f202ffaac9c57173223cad4be8c9aeeb9c968"
    assert replace(deposit, destination=ChainId("eip155:8453")).relay_hash != deposit.relay_hash


@pytest.mark.parametrize("broken", [{"topics": (DEPOSITED,)}, {"data": b"\x01" * 40}])
def test_another_event_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(BadAnswer, match="FundsDeposited in block 90"):
        decode_deposit(ORIGIN, log_of(a_deposit())._replace(**broken))  # type: ignore[arg-type]


def test_a_transfer_in_flight_is_value_only() -> None:
    transfer = decode_transfer(a_deposit(), FLYING, AT, INFOS, frozenset())
    (exposure,) = transfer.exposures
    assert (exposure.value, exposure.equity, exposure.requirement) == (Decimal("999.9996"), 0, 0)
    assert (transfer.account, transfer.sub_account) == (ACCOUNT, "1-7")
    assert (transfer.equity_usd, transfer.surplus_usd) == (0, 0)
    assert transfer.degraded == ()


def test_an_unregistered_token_has_no_value_and_says_so() -> None:
    transfer = decode_transfer(a_deposit(), FLYING, AT, {}, frozenset())
    assert transfer.exposures == ()
    assert "is not a registered asset" in transfer.degraded[0]


def test_what_goes_to_somebody_else_is_not_ours() -> None:
    deposit, payee = a_deposit(recipient=to_word(PAYEE)), account_id(DESTINATION, PAYEE)
    away = decode_transfer(deposit, FLYING, AT, INFOS, frozenset({ACCOUNT}))
    assert (away.account, away.exposures) == (ACCOUNT, ())
    assert PAYEE in away.degraded[0]
    theirs = decode_transfer(deposit, FLYING, AT, INFOS, frozenset({ACCOUNT, payee}))
    assert (theirs.account, len(theirs.exposures), theirs.degraded) == (payee, 1, ())
    back = decode_transfer(deposit, EXPIRED, AT, INFOS, frozenset({ACCOUNT, payee}))
    assert (back.account, back.exposures[0].value) == (ACCOUNT, 1000)


def test_refunds_settle_the_oldest_deadline_first() -> None:
    first, second = a_deposit(1, 100, fill_deadline=NOW - 50), a_deposit(2, 100, fill_deadline=NOW - 20)
    for paid, settled in (([99], set()), ([100], {first}), ([150, 50], {first, second}), ([199], {first})):
        logs = [refund_log(95, (PAYEE, 500), (PAYER, amount)) for amount in paid]
        assert refunded([second, first], decode_refunds(logs)) == settled


def test_refunds_of_others_tokens_times_or_later_claims_do_not_count() -> None:
    deposit = a_deposit(1, 100)
    logs = [
        refund_log(95, (PAYEE, 100)),
        refund_log(95, (PAYER, 100), token=RECEIVED),
        refund_log(90, (PAYER, 100)),
        refund_log(95, (PAYER, 100), deferred=True),
    ]
    assert refunded([deposit], decode_refunds(logs)) == set()


class FakeSpoke(FakeChainClient):
    """A chain with a spoke pool: its logs are filtered by event only."""

    kept: list[Log]
    wanted: list[LogFilter]

    async def logs(self, wanted: LogFilter) -> tuple[Log, ...]:
        self.wanted.append(wanted)
        assert wanted.topics[0] is not None
        return tuple(log for log in self.kept if log.topics[0] in wanted.topics[0])

    async def blocks(self, numbers: list[int], finality: Finality) -> tuple[BlockRef, ...]:
        return tuple(a_block(self.chain, number, NOW - 12 * (100 - number), finality) for number in numbers)


def a_spoke(chain: ChainId, *logs: Log) -> FakeSpoke:
    spoke = FakeSpoke(chain)
    spoke.kept, spoke.wanted = list(logs), []
    spoke.set(PAUSED_DEPOSITS, POOL, [], bytes(32))
    spoke.set(PAUSED_FILLS, POOL, [], bytes(32))
    return spoke


def a_reader(*spokes: FakeSpoke) -> AcrossReader:
    assets = tuple(INFOS.values())
    known = {
        c: ChainDeployment(c, "test", POOL, assets, {VENUE: {"spoke_pool": POOL}}) for c in (ORIGIN, DESTINATION)
    }
    return AcrossReader(ORIGIN, {spoke.chain: spoke for spoke in spokes}, known)


@pytest.mark.parametrize(("status", "states"), [(0, ["in flight"]), (1, ["in flight"]), (2, [])])
async def test_a_filled_deposit_is_no_longer_here(status: int, states: list[str]) -> None:
    deposit = a_deposit()
    here, there = a_spoke(ORIGIN, log_of(deposit)), a_spoke(DESTINATION)
    there.set(FILL_STATUS, POOL, [deposit.relay_hash], status.to_bytes(32))
    result = await a_reader(here, there).read([ACCOUNT], Cut({ORIGIN: AT, DESTINATION: THERE}))
    assert result.failures == ()
    assert [account.positions[0].details["state"] for account in result.accounts] == states
    for account in result.accounts:
        assert account.positions[0].details["age_s"] == "120"
        assert ("slow_fill" in account.positions[0].details) == (status == 1)
    assert here.wanted[0].topics == ((DEPOSITED,), None, None, (to_word(PAYER),))


async def test_an_unknown_fill_status_is_a_failure() -> None:
    deposit = a_deposit()
    there = a_spoke(DESTINATION)
    there.set(FILL_STATUS, POOL, [deposit.relay_hash], (3).to_bytes(32))
    result = await a_reader(a_spoke(ORIGIN, log_of(deposit)), there).read(
        [ACCOUNT], Cut({ORIGIN: AT, DESTINATION: THERE})
    )
    assert [(f.account, f.reason) for f in result.failures] == [(ACCOUNT, "unknown_mode")]


async def test_a_destination_that_is_silent_or_unknown_is_a_failure() -> None:
    class Silent(FakeSpoke):
        async def call(self, calls: list[Call], at: BlockRef) -> tuple[CallResult, ...]:
            raise EndpointUnreachable("endpoint 1: timed out")

    cut = Cut({ORIGIN: AT, DESTINATION: THERE})
    silent = Silent(DESTINATION)
    result = await a_reader(a_spoke(ORIGIN, log_of(a_deposit())), silent).read([ACCOUNT], cut)
    assert [(f.reason, f.detail) for f in result.failures] == [
        ("unreachable", "transfer 7 to eip155:10: endpoint 1: timed out")
    ]
    far = a_deposit(destination=ChainId("eip155:59144"))
    result = await a_reader(a_spoke(ORIGIN, log_of(far)), silent).read([ACCOUNT], cut)
    assert [f.reason for f in result.failures] == ["no_block"]


async def test_logs_of_a_pool_that_is_no_pool_are_not_trusted() -> None:
    here = a_spoke(ORIGIN)
    here.set(PAUSED_DEPOSITS, POOL, [], b"")
    result = await a_reader(here, a_spoke(DESTINATION)).read([ACCOUNT], Cut({ORIGIN: AT, DESTINATION: THERE}))
    assert [(f.account, f.reason) for f in result.failures] == [(ACCOUNT, "no_code")]
