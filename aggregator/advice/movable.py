"""What may leave each account in each scenario: the venues' withdrawal rules revalued beside the accounts.

Every bound, gate and pocket of a rule becomes a row of its own over the accounts' instruments, so that one
assembly and one revaluation say what all of them are worth in every scenario.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np

from aggregator.advice.scene import Scene
from aggregator.assemble import assemble
from chains.accounts import Pocket, VenueAccount, Withdrawal
from chains.instruments import ClippedFee, Exposure, Fixed, Instrument
from risk.arrays import F64
from risk.movable import let_out_usd, movable_by_scenario
from risk.pricing import value_of
from risk.revalue import unit_changes

ZERO = Decimal(0)
Key = tuple[str, str, int]
"""Account id, what the row is (worth or counted of a pocket, bound, gate), and its number."""
Levels = Mapping[Key, F64]
"""(S,) dollars of each row, equity less requirement."""


def movable_usd(scene: Scene, places: Sequence[str]) -> F64:
    """(V, S) of the accounts ``places``; one that owes nothing gives all that its venue lets out."""
    accounts = {account.id: account for account in scene.accounts}
    rules = {name: rule for name in places if (rule := _rule(accounts[name])) is not None}
    rows = {key: row for name, rule in rules.items() for key, row in _rows(accounts[name], rule)}
    found = _levels(scene, rows)
    at = np.array([scene.assembled.rows[name] for name in places], dtype=np.intp)
    loss, surplus = scene.figures.loss[at], scene.assembled.arrays.surplus[at]
    free = np.zeros_like(loss)
    for index, name in enumerate(places):
        if (rule := rules.get(name)) is not None:
            free[index] = _let_out(name, rule, found, surplus[index] - loss[index])
    needy = np.array([bool(accounts[name].mm_requirement_usd) for name in places], dtype=np.bool_)
    tied = movable_by_scenario(free, surplus, loss, scene.help.buffers.local_floor)
    return np.asarray(np.where(needy[:, None], tied, free), dtype=np.float64)


def _rule(account: VenueAccount) -> Withdrawal | None:
    """The venue's rule; idle tokens may all go. None where it is not known, or looks at strange instruments."""
    if account.equity_usd is None:
        idle = (e for e in account.exposures if e.value > 0)
        return Withdrawal(tuple(Pocket(e.instrument, e.value, e.instrument, ZERO) for e in idle))
    rule = account.withdrawal
    if rule is None:
        return None
    used = {_form(i) for i in (*_looked_at(rule), *(pocket.token for pocket in rule.pockets))}
    return rule if used <= {None, *(_form(e.instrument) for e in account.exposures)} else None


def _looked_at(rule: Withdrawal) -> Iterator[Instrument]:
    yield from (e.instrument for row in (*rule.bounds, *rule.gates) for e in row)
    yield from (pocket.counted for pocket in rule.pockets)


def _form(instrument: Instrument) -> Instrument | None:
    """What decides about the factors of an instrument, its own size aside; None for dollars."""
    if isinstance(instrument, Fixed):
        return None
    return instrument.perp if isinstance(instrument, ClippedFee) else instrument


def _rows(account: VenueAccount, rule: Withdrawal) -> Iterator[tuple[Key, VenueAccount]]:
    for index, pocket in enumerate(rule.pockets):
        yield _row(account, "worth", index, (Exposure(pocket.token, equity=pocket.units),))
        lost = (Exposure(pocket.counted, equity=pocket.units * pocket.weight),) if pocket.weight else ()
        yield _row(account, "counted", index, lost)
    for kind, several in (("bound", rule.bounds), ("gate", rule.gates)):
        for index, exposures in enumerate(several):
            yield _row(account, kind, index, exposures)


def _row(
    account: VenueAccount, kind: str, index: int, exposures: tuple[Exposure, ...]
) -> tuple[Key, VenueAccount]:
    row = replace(
        account, sub_account=f"{account.sub_account}#{kind}{index}", exposures=exposures, equity_usd=ZERO,
        mm_requirement_usd=ZERO, degraded=(), withdrawal=None,
    )  # fmt: skip
    return (account.id, kind, index), row


def _levels(scene: Scene, rows: Mapping[Key, VenueAccount]) -> Levels:
    """Now plus the damped change, as losses are; beside the accounts, so that the factors are the scenarios'."""
    both = assemble([*scene.accounts, *rows.values()], scene.registry, scene.book, scene.model.factors)
    arrays = both.arrays
    units = value_of(arrays.instruments)[:, None] + unit_changes(arrays, scene.figures.scenarios)
    return {key: np.asarray(arrays.net()[[both.rows[row.id]]] @ units)[0] for key, row in rows.items()}


def _let_out(name: str, rule: Withdrawal, found: Levels, surplus: F64) -> F64:
    """(S,) by the rule of one account."""

    def of(kind: str, count: int) -> F64:
        return np.array([found[name, kind, i] for i in range(count)]).reshape(count, len(surplus))

    room = surplus if rule.by_surplus else np.full(len(surplus), np.inf)
    for bound in of("bound", len(rule.bounds)):
        room = np.minimum(room, bound)
    count = len(rule.pockets)
    free = let_out_usd(of("worth", count), np.maximum(of("counted", count), 0.0), room)
    shut = (of("gate", len(rule.gates)) < 0).any(axis=0)
    return np.where(shut, 0.0, free)
