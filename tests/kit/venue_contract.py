"""What every venue reader must obey, whatever it reads: asked of each with real accounts."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from chains.accounts import ReadResult, VenueAccount
from chains.caip import AccountId, Address, ChainId, account_chain, account_id
from chains.instruments import ClippedFee, Exposure, ShortOptionFloor
from chains.protocols import VenueReader
from chains.types import Cut
from tests.kit.unit_values import unit_value
from tests.kit.withdrawals import let_out

REASONS = {"unreachable", "reverted", "undecodable", "unknown_mode", "no_code", "no_block", "unpriced"}
WITHOUT_FIGURES = {"wallet", "across", "uniswap-v3"}
"""Venues that publish no health of an account: nothing there can be liquidated."""
NOBODY = Address("0x00000000000000000000000000000000DeaDBeef")
TOLERANCE = Decimal("1e-9")
CUTS = Decimal("1e-5")
"""Dollars that a venue's own integers cut from all legs of an account together."""


async def venue_contract(reader: VenueReader, accounts: Sequence[AccountId], cut: Cut) -> ReadResult:
    """Read the accounts and hold reader and answer to the rules; the answer, for more questions."""
    result = await reader.read(accounts, cut)
    _is_of_this_cut(reader, accounts, cut, result)
    for account in result.accounts:
        _is_lawful(account)
    mine = [account for account in accounts if account_chain(account) == reader.chain]
    assert _sorted(await reader.read(accounts, cut)) == _sorted(result), "two reads of one cut differ"
    assert _sorted(await reader.read(accounts[::-1], cut)) == _sorted(result), "the order of accounts matters"
    await _ignores_strangers(reader, cut)
    await _says_that_there_is_no_block(reader, mine, cut)
    return result


def _is_of_this_cut(reader: VenueReader, accounts: Sequence[AccountId], cut: Cut, result: ReadResult) -> None:
    ids = [account.id for account in result.accounts]
    assert len(set(ids)) == len(ids), f"ids are not unique: {ids}"
    for account in result.accounts:
        assert account.venue == reader.venue, account.id
        assert account.at == cut.blocks[reader.chain], f"{account.id}: not at the cut's block"
        assert account.account in accounts, f"{account.id}: nobody asked for it"
        assert account.positions or account.degraded, f"{account.id}: an account of nothing"
    for failure in result.failures:
        assert failure.reason in REASONS, failure
        assert failure.detail, failure
        assert "http" not in failure.detail, failure
        assert failure.account in accounts, failure


def _is_lawful(account: VenueAccount) -> None:
    assert account.mm_requirement_usd >= 0, account.id
    assert account.checks or account.degraded or account.venue in WITHOUT_FIGURES, f"{account.id}: no own figure"
    for check in account.checks:
        assert check.rel_error < TOLERANCE, (account.id, check)
    for exposure in account.exposures:
        if isinstance(exposure.instrument, ClippedFee | ShortOptionFloor):
            assert not exposure.value, f"{account.id}: a requirement has no value"
    if account.equity_usd is None:
        assert account.liquidatable is None, f"{account.id}: a verdict without a price"
        return
    assert account.surplus_usd is not None
    if account.liquidatable is not None:
        assert account.liquidatable == (account.surplus_usd < 0), f"{account.id}: S {account.surplus_usd}"
    if account.exposures:
        stamp = account.at.timestamp
        _same(account, "equity", total(account.exposures, "equity", stamp), account.equity_usd)
        needed = total(account.exposures, "requirement", stamp)
        _same(account, "requirement", needed, account.mm_requirement_usd)
    _lets_out_what_it_says(account)


def _lets_out_what_it_says(account: VenueAccount) -> None:
    """The withdrawal rule at the venue's own prices beside the figure read from its state."""
    if account.withdrawal is None or account.withdrawable_usd is None:
        assert account.withdrawal is account.withdrawable_usd, f"{account.id}: half a rule"
        return
    ours = let_out(account)
    # Aave v3.0 may cut an average threshold by a basis point of all collateral, twice.
    held = sum(
        e.equity * unit_value(e.instrument, account.at.timestamp) for e in account.exposures if e.equity > 0
    )
    allowed = Decimal("0.01") + Decimal("1e-6") * ours + Decimal("6e-4") * held * (account.venue == "aave-v3")
    assert abs(ours - account.withdrawable_usd) <= allowed, (
        f"{account.id}: {ours} by rule, {account.withdrawable_usd}"
    )


def _same(account: VenueAccount, name: str, summed: Decimal, stated: Decimal) -> None:
    allowed = CUTS + TOLERANCE * (abs(stated) + account.mm_requirement_usd)
    assert abs(summed - stated) <= allowed, f"{account.id}: exposures give {name} {summed}, stated {stated}"


async def _ignores_strangers(reader: VenueReader, cut: Cut) -> None:
    elsewhere = account_id(ChainId("eip155:424242"), NOBODY)
    nobody = account_id(reader.chain, NOBODY)
    for stranger in ([], [elsewhere], [nobody]):
        answer = await reader.read(stranger, cut)
        assert (answer.accounts, answer.failures) == ((), ()), f"{reader.venue}: {stranger} is somebody"


async def _says_that_there_is_no_block(reader: VenueReader, mine: Sequence[AccountId], cut: Cut) -> None:
    others = {chain: block for chain, block in cut.blocks.items() if chain != reader.chain}
    without = replace(cut, blocks=others, failures={reader.chain: "head is 900 s old"})
    answer = await reader.read(mine, without)
    assert answer.accounts == (), f"{reader.venue}: reads without a block"
    assert sorted(f.account for f in answer.failures) == sorted(set(mine)), f"{reader.venue}: gaps are not named"
    assert {f.reason for f in answer.failures} <= {"no_block"}
    assert all("900 s old" in f.detail for f in answer.failures)


def total(exposures: Sequence[Exposure], part: str, stamp: int) -> Decimal:
    """Sum of one part at the venue's own prices."""
    return sum(
        (getattr(e, part) * unit_value(e.instrument, stamp) for e in exposures if getattr(e, part)), Decimal(0)
    )


def _sorted(result: ReadResult) -> tuple[list[str], list[str]]:
    """Everything of an answer, comparable whatever its order."""
    return sorted(map(repr, result.accounts)), sorted(map(repr, result.failures))
