"""Answering what-if questions: the world as it was read, changed, and handed to the maker of reports."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np

from aggregator.assemble import assemble
from aggregator.clock import unix
from aggregator.config import ModelSettings
from aggregator.errors import ConfigError
from aggregator.history import HistoryError
from aggregator.model import Model, load_model
from aggregator.portfolios import Portfolios
from aggregator.report import MarginReport
from aggregator.reports import ReportMaker, World
from aggregator.simulate.bridges import rerouted, standing
from aggregator.simulate.changes import moved, with_collateral, with_position
from aggregator.simulate.hypothetical import CannotSimulate, Maker
from aggregator.simulate.model import (
    Changes,
    CollateralChange,
    ModelChange,
    RouteChange,
    Simulated,
    Simulation,
    Transfer,
)
from chains.accounts import ReadResult, VenueAccount
from chains.caip import AccountId, AssetId, ChainId, account_chain, parse_account
from chains.types import BlockRef, Cut, Finality
from oracles.reconcile import reconcile
from oracles.types import PriceBook, PriceStatus, Quotes, ReconciledPrice
from risk.pricing import value_of
from risk.routes import Route

ZERO, HUNDRED = Decimal(0), Decimal(100)
MODELS_KEPT = 16
BEFORE_KEPT = 64
HYPOTHETICAL = "hypothetical"


@dataclass(slots=True)
class WhatIf:
    """Answers questions about the worlds of the newest reports."""

    maker: ReportMaker
    worlds: Mapping[str, World]
    _models: dict[str, Model] = field(default_factory=dict)
    _before: dict[str, tuple[World, MarginReport]] = field(default_factory=dict)

    def answer(self, asked: Simulation, now: datetime) -> Simulated:
        """Both reports of a question; raises CannotSimulate where it does not fit what is there."""
        world = self._world(asked, now)
        maker = self.maker.using(world)
        model = self._model(maker.model, asked.model, asked.changes.routes)
        book = self._book(world, asked)
        base = self._accounts(asked, world, book)
        changed = replace(maker, model=model)
        before = self._before_of(asked, world, base, book)
        paused = world.paused | standing(asked.changes.paused_bridges, model)
        accounts, moved_book = self._after(asked.changes, base, book, model.routes)
        after_world = replace(world, paused=paused, routes=None)
        after = self._make(changed, after_world, accounts, moved_book)
        return _simulated(before, after)

    # --- where the question begins ---

    def _world(self, asked: Simulation, now: datetime) -> World:
        if asked.portfolio is not None:
            world = self.worlds.get(asked.portfolio)
            if world is None:
                raise CannotSimulate(f"portfolio: nothing of {asked.portfolio!r} has been read yet")
            ids = world.portfolios.accounts(asked.portfolio)
        else:
            if not asked.accounts:
                raise CannotSimulate("simulation: give a `portfolio`, hypothetical `accounts`, or both")
            world = next(iter(self.worlds.values()), None) or _nothing(now)
            ids = ()
        names = dict.fromkeys((*ids, *(parse_account(item.account) for item in asked.accounts)))
        known = set(self.maker.model.chains)
        if strange := [account_chain(i) for i in names if account_chain(i) not in known]:
            raise CannotSimulate(f"accounts.account: {strange[0]} is none of the model's chains {sorted(known)}")
        own = tuple(_of(read, frozenset(ids)) for read in world.reads)
        return replace(world, portfolios=Portfolios({asked.portfolio or HYPOTHETICAL: tuple(names)}), reads=own)

    def _book(self, world: World, asked: Simulation) -> PriceBook:
        book = world.book
        if book is None:
            book = reconcile(world.quotes, unix(world.now), self.maker.prices)
        given = {
            key: ReconciledPrice(key, PriceStatus.OK, "as given in the question", price, price, price)
            for key, price in asked.prices.items()
        }
        return PriceBook({**book, **given}, book.parameters) if given else book

    def _accounts(self, asked: Simulation, world: World, book: PriceBook) -> tuple[VenueAccount, ...]:
        """Accounts as they are, at the question's own prices, beside the hypothetical ones."""
        found = [a for read in world.reads for a in read.accounts]
        settings = self.maker.model.settings
        making = Maker(self.maker.registry, book, settings.haircut_crypto, settings.haircut_stable)
        new = [making.account(item, self._block(world, item.account)) for item in asked.accounts]
        ids = [account.id for account in (*found, *new)]
        if twice := sorted({i for i in ids if ids.count(i) > 1}):
            raise CannotSimulate(f"accounts: {twice[0]} is there already; give another venue or sub_account")
        if asked.prices:
            found = list(_moved(found, self._ratios(world.book, book), Decimal(1)))
        touched = {account.id for account in ((*new, *found) if asked.prices else new)}
        return self._valued((*found, *new), book, touched)

    def _block(self, world: World, account: str) -> BlockRef:
        chain = account_chain(parse_account(account))
        known = world.cut.blocks.get(chain)
        stamp = unix(world.now)
        return known or BlockRef(chain, 0, "0x" + "00" * 32, "0x" + "00" * 32, stamp, Finality.LATEST)

    # --- what would be otherwise ---

    def _after(
        self, changes: Changes, base: tuple[VenueAccount, ...], book: PriceBook, routes: Sequence[Route]
    ) -> tuple[tuple[VenueAccount, ...], PriceBook]:
        moved_book = self._moved_book(changes, book)
        ratios, vol = self._ratios(book, moved_book), 1 + changes.vol_pct / HUNDRED
        accounts = {account.id: account for account in _moved(base, ratios, vol)}
        settings = self.maker.model.settings
        haircuts = (settings.haircut_crypto, settings.haircut_stable)
        tokens = [*changes.collateral_changes, *(c for t in changes.transfers for c in _sent(t, routes))]
        for token in tokens:
            account = _named(accounts, token.account)
            accounts[account.id] = with_collateral(account, token, self.maker.registry, haircuts)
        for position in changes.position_changes:
            account = _named(accounts, position.account)
            accounts[account.id] = with_position(account, position, self.maker.registry)
        touched = {b.id for b, a in zip(base, accounts.values(), strict=True) if a is not b}
        return self._valued(tuple(accounts.values()), moved_book, touched), moved_book

    def _moved_book(self, changes: Changes, book: PriceBook) -> PriceBook:
        infos = self.maker.registry.assets.values()
        factor_of = {info.price_key: info.factor for info in infos}
        stable = self.maker.model.factors.stable
        scale = dict.fromkeys(factor_of, Decimal(1))
        if changes.spot_pct:
            scale |= {k: 1 + changes.spot_pct / HUNDRED for k, f in factor_of.items() if f not in stable}
        for change in changes.prices:
            keys = [k for k, f in factor_of.items() if change.name in {k, f}]
            mid = book[change.name].mid if change.name in factor_of else None
            if not keys or (change.pct is None) == (change.price_usd is None):
                what = "needs a known price key or factor, and either pct or price_usd"
                raise CannotSimulate(f"changes.prices: {change.name[:40]!r} {what}")
            if change.price_usd is not None and not mid:
                raise CannotSimulate(f"changes.prices: {change.name[:40]!r} has no price; give it in `prices`")
            by = change.price_usd / mid if change.price_usd and mid else 1 + (change.pct or ZERO) / HUNDRED
            scale |= {key: scale[key] * by for key in keys}
        kept = {key: _times(price, scale.get(key, Decimal(1))) for key, price in book.items()}
        return PriceBook(kept, book.parameters)

    def _ratios(self, old: PriceBook | None, new: PriceBook) -> dict[AssetId, Decimal]:
        if old is None:
            return {}
        ratios = {}
        for asset, info in self.maker.registry.assets.items():
            before, after = old[info.price_key].mid, new[info.price_key].mid
            if before and after and before != after:
                ratios[asset] = after / before
        return ratios

    # --- figures ---

    def _valued(
        self, accounts: tuple[VenueAccount, ...], book: PriceBook, touched: set[str]
    ) -> tuple[VenueAccount, ...]:
        """The accounts with equity and requirement by their exposures, where anything was changed."""
        if not touched:
            return accounts
        assembled = assemble(accounts, self.maker.registry, book, self.maker.model.factors)
        unit = value_of(assembled.arrays.instruments)
        equity, mm = np.asarray(assembled.arrays.equity @ unit), np.asarray(assembled.arrays.requirement @ unit)
        return tuple(
            _with_figures(a, Decimal(float(equity[row])), Decimal(float(mm[row])))
            if a.id in touched and (row := assembled.rows.get(a.id)) is not None
            else a
            for a in accounts
        )

    def _before_of(
        self, asked: Simulation, world: World, base: tuple[VenueAccount, ...], book: PriceBook
    ) -> MarginReport:
        """The report of the world as it is; of a stored portfolio it is made once per world."""
        if asked.portfolio is None or asked.accounts or asked.prices:
            return self._make(self.maker, world, base, book)
        read, kept = self.worlds[asked.portfolio], self._before.get(asked.portfolio)
        if kept is None or kept[0] is not read:
            while len(self._before) >= BEFORE_KEPT:
                self._before.pop(next(iter(self._before)))
            kept = self._before[asked.portfolio] = (read, self._make(self.maker, world, base, book))
        return kept[1]

    def _make(
        self, maker: ReportMaker, world: World, accounts: Sequence[VenueAccount], book: PriceBook
    ) -> MarginReport:
        read = ReadResult(tuple(accounts), tuple(f for read in world.reads for f in read.failures))
        (report,) = maker.make(replace(world, reads=(read,), book=book))
        return report

    def _model(self, base: Model, change: ModelChange, routes: Sequence[RouteChange]) -> Model:
        """The model of a question; those asked for lately are kept, for their mobility takes time to compute."""
        given = {k: v for k, v in change.model_dump().items() if v is not None}
        if not given and not routes:
            return base
        key = repr((base.params_hash, sorted(given.items()), routes))
        if key not in self._models:
            model = _altered(base, given) if given else base
            if routes:
                model = rerouted(model, routes)
            while len(self._models) >= MODELS_KEPT:
                self._models.pop(next(iter(self._models)))
            self._models[key] = model
        return self._models[key]


def _of(read: ReadResult, accounts: Collection[AccountId]) -> ReadResult:
    """What was read of these accounts: a scan reads those of others beside them, and nobody is told of theirs."""
    return ReadResult(
        tuple(account for account in read.accounts if account.account in accounts),
        tuple(failure for failure in read.failures if failure.account in accounts),
    )


def _moved(
    accounts: Sequence[VenueAccount], ratios: Mapping[AssetId, Decimal], vol: Decimal
) -> tuple[VenueAccount, ...]:
    return tuple(moved(account, ratios, vol) for account in accounts)


def _with_figures(account: VenueAccount, equity: Decimal, mm: Decimal) -> VenueAccount:
    """The account with new figures. What its venue would let out is held low, for its rule is not asked again."""
    if account.equity_usd is None:
        return account
    surplus = equity - mm
    old, free = account.surplus_usd or ZERO, account.withdrawable_usd
    if free is not None:
        less = min(ZERO, surplus - old)
        share = max(ZERO, surplus) / old if old > 0 and less else Decimal(1)
        free = max(ZERO, min(free + 2 * less, free * share))
    law = account.liquidation
    if law is not None and account.mm_requirement_usd:
        law = replace(law, base_usd=law.base_usd * mm / account.mm_requirement_usd)
    return replace(
        account, equity_usd=equity, mm_requirement_usd=mm, checks=(), withdrawable_usd=free, liquidation=law,
        liquidatable=surplus < 0,
    )  # fmt: skip


def _named(accounts: Mapping[str, VenueAccount], name: str) -> VenueAccount:
    found = accounts.get(name)
    if found is None:
        known = ", ".join(sorted(accounts)[:8]) or "none"
        raise CannotSimulate(f"changes.account: {name[:200]!r} is no account of the portfolio; there are {known}")
    return found


def _sent(transfer: Transfer, routes: Sequence[Route]) -> tuple[CollateralChange, CollateralChange]:
    """Less here and, after the fee, more there."""
    fee = ZERO
    if transfer.bridge is not None:
        ends = [_chain(transfer.source), _chain(transfer.destination)]
        way = [r for r in routes if r.bridge == transfer.bridge and [r.source, r.destination] == ends]
        if not way:
            raise CannotSimulate(f"transfers.bridge: {transfer.bridge[:40]!r} has no route {ends[0]} to {ends[1]}")
        fee = Decimal(str(way[0].fee_bps)) / 10_000
    arrives = transfer.amount * (1 - fee)
    return (
        CollateralChange(account=transfer.source, asset=transfer.asset, amount=-transfer.amount),
        CollateralChange(account=transfer.destination, asset=transfer.asset, amount=arrives),
    )


def _chain(venue_account: str) -> ChainId:
    return account_chain(AccountId(venue_account.partition("/")[0]))


def _times(price: ReconciledPrice, by: Decimal) -> ReconciledPrice:
    if by == 1 or price.low is None or price.mid is None or price.high is None:
        return price
    return replace(price, low=price.low * by, mid=price.mid * by, high=price.high * by)


def _altered(model: Model, given: Mapping[str, Any]) -> Model:
    """The model with other settings, over the same routes as they are known now."""
    settings = ModelSettings.model_validate({**model.settings.model_dump(), **given})
    try:
        other = load_model(settings, model.chains)
    except (ConfigError, HistoryError) as error:
        raise CannotSimulate(f"model: {error}") from None
    return other.using(model.routes)


def _nothing(now: datetime) -> World:
    """A world in which nothing was read."""
    return World(now, Cut({}), Portfolios({}), (), Quotes(), frozenset(), PriceBook({}))


def _simulated(before: MarginReport, after: MarginReport) -> Simulated:
    breaches = tuple(
        f"{v.account}/{v.venue}" + (f"/{v.sub_account}" if v.sub_account else "")
        for v in after.venues
        if v.surplus_usd is not None and v.surplus_usd < 0
    )
    short = None if after.mm_excess_usd is None else after.mm_excess_usd < 0
    return Simulated(
        would_breach=True if breaches else short,
        breaches=breaches,
        mm_excess_change_usd=_difference(before.mm_excess_usd, after.mm_excess_usd),
        net_value_change_usd=_difference(before.net_value_usd, after.net_value_usd),
        before=before,
        after=after,
    )


def _difference(before: Decimal | None, after: Decimal | None) -> Decimal | None:
    return None if before is None or after is None else after - before
