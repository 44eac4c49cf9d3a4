"""From what a cycle read to the margin reports. Pure: the same inputs give the same figures."""

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from importlib.metadata import version

import numpy as np

from aggregator.assemble import Assembled, Gap, assemble
from aggregator.bridge_view import closed, no_route
from aggregator.clock import unix
from aggregator.figures import Figures, compute
from aggregator.lines import position_lines, venue_line
from aggregator.model import Model
from aggregator.portfolios import Portfolios
from aggregator.registry import AssetRegistry, assets_of
from aggregator.report import (
    AsOf,
    BlockStamp,
    ChainCondition,
    DataQuality,
    Degraded,
    MarginReport,
    ModelRef,
    PortfolioRef,
    VenueLine,
)
from aggregator.rescue import Rescue, rescue
from aggregator.rounding import up
from aggregator.route_words import route_words
from aggregator.scenario_rows import TAILS, Rows
from aggregator.totals import totals, unknown_totals
from aggregator.verdict import borrow_shortfall_usd, ends, verdict
from chains.accounts import ReadFailure, ReadResult, VenueAccount
from chains.caip import AccountId, ChainId, account_chain
from chains.deployments import AssetInfo
from chains.types import ChainStatus, Cut
from oracles.clocks import ClockSkew
from oracles.params import PriceParams
from oracles.reconcile import reconcile
from oracles.types import PriceBook, PriceStatus, Quotes
from risk.routes import Route
from risk.status import AccountStatus, Status, describe

CODE_VERSION = version("crossmargin")
DISPUTED = "price_disputed"
"""Reason code of an account that one end of the prices would liquidate."""


@dataclass(frozen=True, slots=True)
class World:
    """Everything that one cycle read."""

    now: datetime
    cut: Cut
    portfolios: Portfolios
    reads: Sequence[ReadResult]
    quotes: Quotes
    paused: frozenset[str]
    """Bridges that stand still and chains without a block."""
    book: PriceBook | None = None
    """Prices of the quotes; None: reconciled here, without a memory."""
    clocks: tuple[ClockSkew, ...] = ()
    """Clocks of chains and providers against the host's."""
    routes: tuple[Route, ...] | None = None
    """Bridges as they were known then; None: as the model has them."""


@dataclass(frozen=True, slots=True)
class Member:
    """What was read of one portfolio."""

    name: str
    accounts: tuple[AccountId, ...]
    found: tuple[VenueAccount, ...]
    failures: tuple[ReadFailure, ...]

    @property
    def chains(self) -> frozenset[ChainId]:
        """Where something was found, or may be but could not be read."""
        lost = (account_chain(failure.account) for failure in self.failures)
        return frozenset((*(account.at.chain for account in self.found), *lost))


@dataclass(frozen=True, slots=True, eq=False)
class ReportMaker:
    """Turns a world into reports, one per portfolio."""

    registry: AssetRegistry
    model: Model
    prices: PriceParams
    chain_names: Mapping[ChainId, str]

    def using(self, world: World) -> "ReportMaker":
        """Over the routes of a world."""
        model = self.model.using(world.routes)
        return self if model is self.model else replace(self, model=model)

    def make(self, world: World) -> tuple[MarginReport, ...]:
        """Reports in the order of the portfolios."""
        return self.using(world)._made(world)

    def _made(self, world: World) -> tuple[MarginReport, ...]:
        book = world.book
        if book is None:
            book = reconcile(world.quotes, unix(world.now), self.prices)
        members = _members(world)
        accounts = {account.id: account for member in members for account in member.found}
        assembled = assemble(list(accounts.values()), self.registry, book, self.model.factors)
        groups = [_rows(member.found, assembled) for member in members]
        figures = compute(assembled, self.model, unix(world.now), groups)
        context = _Context(self, world, book, assembled, figures)
        return tuple(context.report(member) for member in members)


@dataclass(frozen=True, slots=True, eq=False)
class _Context:
    """One cycle's values while the reports are written."""

    maker: ReportMaker
    world: World
    book: PriceBook
    assembled: Assembled
    figures: Figures

    def report(self, member: Member) -> MarginReport:
        """The report of one portfolio."""
        model = self.maker.model
        gaps = self._gaps(member)
        complete = not gaps
        help_ = rescue(member.found, self.assembled, self.figures, model, self.world.paused, complete=complete)
        names = [self._name(account) for account in member.found]
        lines = tuple(
            self._line(account, status, name, member, help_)
            for account, status, name in zip(member.found, help_.status.accounts, names, strict=True)
        )
        sums = unknown_totals()
        if complete:
            sums = totals(member.found, lines, self.assembled, self.figures, help_, model)
            sums |= self._borrowing(member, sums)
        binding = help_.status.binding
        reason = describe(help_.status.reason, "the portfolio") if binding is None else lines[binding].reason
        return MarginReport(
            id=f"rep_{uuid.uuid4().hex}",
            portfolio=PortfolioRef(name=member.name, accounts=member.accounts),
            as_of=self._as_of(member),
            data_quality=self._quality(member, gaps),
            model=ModelRef(
                id=model.id,
                version=model.grid.version,
                params_hash=model.params_hash,
                volatility=self.figures.outlook.volatility,
                tails=self._tails(member),
            ),
            inputs_hash=self._inputs_hash(member),
            code_version=CODE_VERSION,
            status=help_.status.status,
            status_reason=self._first(member, gaps) if help_.status.status is Status.UNKNOWN else reason,
            binding_account=None if binding is None else member.found[binding].id,
            no_route=no_route(model.mobility(self.world.paused), member.chains),
            venues=lines,
            positions=position_lines(member.found, self.maker.registry, self.book, model.routes),
            **sums,
        )

    def _line(
        self, account: VenueAccount, status: AccountStatus, name: str, member: Member, help_: Rescue
    ) -> VenueLine:
        """The account's line; where time decides its reason names the ways that lead there."""
        line = venue_line(account, status, name, self.assembled, self.figures, help_)
        line = self._judged(account, status.reason.code, line)
        mobility, names = self.maker.model.mobility(self.world.paused), self.maker.chain_names
        ways = route_words(account, status.reason.code, member.found, help_, mobility, names)
        return line.model_copy(update={"reason": f"{line.reason}; {ways}"}) if ways else line

    def _judged(self, account: VenueAccount, code: str, line: VenueLine) -> VenueLine:
        """The line with what the width of the prices means for it."""
        row = self.assembled.rows.get(account.id)
        if row is None:
            return line
        words = verdict(account, *ends(row, self.figures), self.maker.registry, self.book)
        if not words:
            return line
        reason = f"{line.reason}: {words}" if code == DISPUTED else line.reason
        return line.model_copy(update={"price_verdict": words, "reason": reason})

    def _borrowing(self, member: Member, sums: Mapping[str, object]) -> dict[str, object]:
        """The initial requirement with what ceilings take from borrowing power."""
        before = sums["im_requirement_usd"]
        short = borrow_shortfall_usd(member.found, self.maker.registry, self.book)
        return {"im_requirement_usd": before + up(short)} if isinstance(before, Decimal) else {}

    def _first(self, member: Member, gaps: tuple[Gap, ...]) -> str:
        """The first gap as a sentence, accounts by their readable names."""
        what, reason = gaps[0]
        for account in member.found:
            what = what.replace(account.id, self._name(account))
        return f"{what}: {reason}"

    def _name(self, account: VenueAccount) -> str:
        chain = self.maker.chain_names.get(account.at.chain, account.at.chain)
        sub = f" {account.sub_account}" if account.sub_account else ""
        return f"{account.venue}{sub} on {chain}"

    def _gaps(self, member: Member) -> tuple[Gap, ...]:
        """Everything that is missing, unread accounts first; one entry where one reason hits many venues."""
        unread = {(f"{f.account} {f.venue}", f"{f.reason}: {f.detail}") for f in member.failures}
        found = [gap for account in member.found for gap in self.assembled.gaps.get(account.id, ())]
        return (*sorted(unread), *dict.fromkeys(found))

    def _quality(self, member: Member, gaps: tuple[Gap, ...]) -> DataQuality:
        """Missing things, and prices that stand although something about them is not as it should be."""
        keys = sorted({info.price_key for info in self._infos(member)})
        shaky = [
            (f"price of {key}", f"{self.book[key].status}: {self.book[key].reason}")
            for key in keys
            if self.book[key].status is PriceStatus.DEGRADED
        ]
        stamps = [account.at.timestamp for account in member.found]
        stamps += [at for key in keys if (at := self.book[key].observed_at) is not None]
        age = max(0, unix(self.world.now) - min(stamps)) if stamps else None
        shaky += [(f"price of {key}", note) for key in keys for note in self.book[key].notes]
        shaky += [(f"clock of {skew.clock}", skew.words) for skew in self.world.clocks if skew.doubtful]
        chains = [
            (f"chain {chain}", f"{condition.status}: {condition.reason}")
            for chain, condition in self._conditions(member).items()
            if condition.status != ChainStatus.OK
        ]
        shaky += self._aged()
        model, paused = self.maker.model, self.world.paused
        shaky += closed(model.routes, paused, model.settings.paused_bridges, member.chains)
        lines = tuple(Degraded(what=what, reason=reason) for what, reason in (*chains, *gaps, *shaky))
        return DataQuality(complete=not gaps, staleness_s=age, degraded=lines)

    def _tails(self, member: Member) -> str:
        """Which rows of copula and fhs the buffers are taken over."""
        if not TAILS & set(self.maker.model.sets.chosen):
            return "none"
        return "full" if self.figures.buffers.full[_rows(member.found, self.assembled)].all() else "screened"

    def _aged(self) -> list[Gap]:
        """A volatility forecast that is too old to be used."""
        forecast, now = self.maker.model.forecast, unix(self.world.now)
        if forecast is None or forecast.holds(now):
            return []
        age = f"{abs(forecast.age_s(now)) / 86_400:.1f} days {'ago' if forecast.age_s(now) > 0 else 'ahead'}"
        return [
            (
                "breach probabilities",
                f"the price history ends {age}: long-run volatility instead of {forecast.law}",
            )
        ]

    def _infos(self, member: Member) -> list[AssetInfo]:
        assets = {asset for account in member.found for asset in assets_of(account.exposures)}
        return [info for asset in assets if (info := self.maker.registry.assets.get(asset)) is not None]

    def _conditions(self, member: Member) -> dict[str, ChainCondition]:
        """Condition of every chain that the portfolio is on."""
        chains = sorted({account_chain(account) for account in member.accounts})
        states = {chain: self.world.cut.state(chain) for chain in chains}
        return {c: ChainCondition(status=state.status.value, reason=state.reason) for c, state in states.items()}

    def _as_of(self, member: Member) -> AsOf:
        blocks = {
            chain: BlockStamp(
                number=block.number, hash=block.hash, timestamp=block.timestamp, finality=block.finality
            )
            for chain, block in sorted(self.world.cut.blocks.items())
        }
        return AsOf(
            time=self.world.now,
            max_skew_s=self.world.cut.max_skew_s,
            blocks=blocks,
            chains=self._conditions(member),
        )

    def _inputs_hash(self, member: Member) -> str:
        """Identity of all inputs: accounts as read, prices, standing bridges, parameters."""
        digest = hashlib.sha256()
        for account in sorted(member.found, key=lambda a: a.id):
            digest.update(repr(account).encode())
        for info in sorted(self._infos(member), key=lambda i: i.asset):
            digest.update(repr(self.book[info.price_key]).encode())
        digest.update(repr((sorted(self.world.paused), self.maker.model.params_hash)).encode())
        return digest.hexdigest()


def _rows(found: Sequence[VenueAccount], assembled: Assembled) -> Rows:
    """Rows of a portfolio's accounts that can be revalued."""
    return np.array([assembled.rows[a.id] for a in found if a.id in assembled.rows], dtype=np.intp)


def _members(world: World) -> tuple[Member, ...]:
    """What was read, by portfolio. An account may be in several."""
    found: dict[AccountId, list[VenueAccount]] = {}
    failures: dict[AccountId, list[ReadFailure]] = {}
    for read in world.reads:
        for account in read.accounts:
            found.setdefault(account.account, []).append(account)
        for failure in read.failures:
            failures.setdefault(failure.account, []).append(failure)
    return tuple(
        Member(
            name=name,
            accounts=ids,
            found=tuple(account for i in ids for account in found.get(i, ())),
            failures=tuple(failure for i in ids for failure in failures.get(i, ())),
        )
        for name, ids in world.portfolios.members.items()
    )
