"""Many sources, one price with an interval: pure, deterministic, with a reason for everything left out.

Decisions are made for all price keys at once (``oracles.kernel``); the figures are then taken from the exact
quotes that decided. Two disagreeing sources are never averaged, and without a quorum there is no figure at all.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from oracles.graph import composed, levels
from oracles.kernel import Decisions, Outcome, Rules, Why, decide
from oracles.memory import Memory, PriceMemory, forward, group_after, held, sources_after
from oracles.overlays import Backing, backed, held_leap, off_peg, rate_ceiling, rise_capped
from oracles.params import PriceClass, PriceParams
from oracles.tables import BPS, Slots, invalid, table_of, terms_of, widened
from oracles.types import (
    Dissent,
    Fact,
    PriceBook,
    PriceStatus,
    Quote,
    QuoteGap,
    Quotes,
    ReconciledPrice,
    Vote,
)

NOTHING = Memory()


@dataclass(slots=True)
class _Evidence:
    """What there is about one key on the way to its price."""

    votes: list[Quote] = field(default_factory=list)
    facts: list[Quote] = field(default_factory=list)
    left_out: list[Dissent] = field(default_factory=list)


def reconcile(
    quotes: Quotes,
    now_s: float,
    params: PriceParams,
    memory: Memory = NOTHING,
    backings: Sequence[Backing] = (),
) -> PriceBook:
    """One ``ReconciledPrice`` for every key that occurs among quotes or gaps, and the memory for the next round.

    ``now_s`` is the time of the cycle in unix seconds; the order of quotes and gaps has no influence.
    """
    kept, refused = forward(quotes.found, memory, now_s, params)
    gathered: dict[str, list[Quote]] = defaultdict(list)
    for quote in sorted(kept, key=_place):
        gathered[quote.price_key].append(quote)
    evidence: dict[str, _Evidence] = defaultdict(_Evidence)
    refused += [(gap.price_key, Dissent(gap.source, gap.group, gap.reason, gap.detail)) for gap in quotes.gaps]
    for key, dissent in refused:
        evidence[key].left_out.append(dissent)
    keys = gathered.keys() | evidence.keys()
    edges = [(quote.price_key, quote.in_key) for quote in kept]
    round_ = _Round(now_s, params, memory, {item.price_key: item for item in backings})
    for level in levels(edges, keys):
        wanted = [key for key in level if key in keys]
        for key in wanted:
            round_.sort_out(key, gathered.get(key, ()), evidence[key])
        round_.settle(wanted, evidence)
    after = Memory(
        sources_after(quotes.found, memory, now_s, params.max_ahead_s), round_.groups, round_.remembered
    )
    return PriceBook({key: round_.prices[key] for key in sorted(round_.prices)}, params.version, after)


class _Round:
    """One round on its way: prices so far, and what will be remembered."""

    def __init__(self, now_s: float, params: PriceParams, memory: Memory, backings: Mapping[str, Backing]) -> None:
        self.now_s, self.params, self.memory, self.backings = now_s, params, memory, backings
        self.prices: dict[str, ReconciledPrice] = {}
        self.groups = dict(memory.groups)
        self.remembered = dict(memory.prices)

    def sort_out(self, key: str, found: Sequence[Quote], evidence: _Evidence) -> None:
        """Compose what is quoted in other keys, and tell votes from facts and from what cannot be a price."""
        for quote in found:
            whole = composed(quote, self.prices)
            if isinstance(whole, QuoteGap):
                evidence.left_out.append(Dissent(whole.source, whole.group, whole.reason, whole.detail))
                continue
            problem = invalid(whole)
            if problem is not None:
                shown = whole.price if whole.price.is_finite() else None
                evidence.left_out.append(Dissent(whole.source, whole.group, "invalid", problem, shown))
            elif not whole.votes:
                evidence.facts.append(whole)
            elif (dissent := held(whole, self.memory, self.now_s)) is not None:
                evidence.left_out.append(dissent)
            else:
                evidence.votes.append(whole)

    def settle(self, keys: Sequence[str], evidence: Mapping[str, _Evidence]) -> None:
        """Prices of one level, decided together."""
        if not keys:
            return
        slots = Slots(keys, [evidence[key].votes for key in keys], self.memory)
        decisions = decide(
            table_of(slots, self.now_s, self.params), terms_of(slots.keys, self.params), _rules(self.params)
        )
        for column, key in enumerate(keys):
            one = _One(key, self.params, evidence[key], decisions, column, self.now_s)
            price = self._laid_over(one.price(), self.params.class_of(key))
            self.prices[key] = replace(price, facts=_facts(evidence[key].facts, price))
            self._remember_groups(key, one)

    def _laid_over(self, price: ReconciledPrice, kind: PriceClass) -> ReconciledPrice:
        """Overlays of one agreed price."""
        if price.mid is None:
            return price
        key, before = price.price_key, self.remembered.get(price.price_key)
        price, after = held_leap(price, before, self.now_s, self.params.gate)
        if price.mid is None:
            if after is not None:
                self.remembered[key] = after
            return price
        agreed = price.mid
        price, capped = rise_capped(price, before, self.now_s, kind)
        self.remembered[key] = PriceMemory(agreed, self.now_s, capped)
        price = off_peg(price, kind)
        price = rate_ceiling(price, self.params.caps.get(key), self.prices, self.now_s)
        return backed(price, self.backings.get(key))

    def _remember_groups(self, key: str, one: "_One") -> None:
        if one.outcome != Outcome.AGREED:
            return
        for slot, quote in enumerate(one.quotes):
            fate = one.fate(slot)
            if fate in {Why.AGREES, Why.OUTSIDE_BAND}:
                self.groups[key, quote.group] = group_after(
                    self.memory.group(key, quote.group), fate == Why.OUTSIDE_BAND, self.now_s, self.params.gate,
                    anchor=quote.anchor,
                )  # fmt: skip


class _One:
    """One key's column of the decisions, in words and exact figures."""

    def __init__(
        self, key: str, params: PriceParams, evidence: _Evidence, decisions: Decisions, column: int, now_s: float
    ) -> None:
        self.key, self.params, self.kind = key, params, params.class_of(key)
        self.quotes = [widened(quote, now_s, self.kind) for quote in evidence.votes]
        self.left_out = evidence.left_out
        self.decisions, self.column, self.now_s = decisions, column, now_s
        self.outcome = Outcome(int(decisions.outcome[column]))

    def fate(self, slot: int) -> Why:
        """What became of a quote."""
        return Why(int(self.decisions.why[slot, self.column]))

    def price(self) -> ReconciledPrice:
        """The reconciled price with its reason."""
        slots = range(len(self.quotes))
        voting = [i for i in slots if self.fate(i) in {Why.AGREES, Why.OUTSIDE_BAND}]
        left_out = [*self.left_out, *(d for i in slots if (d := self._own_fault(i)) is not None)]
        speakers = {self.quotes[i].group: self.quotes[i] for i in voting}
        left_out += [self._off_group(i, speakers) for i in slots if self.fate(i) == Why.OUTSIDE_GROUP]
        missing = sorted({d.group for d in left_out} - speakers.keys())
        if self.outcome == Outcome.TOO_FEW:
            return _too_few(self.key, sorted(speakers), missing, left_out, self.kind)
        return self._decided(voting, missing, left_out)

    def _own_fault(self, slot: int) -> Dissent | None:
        """Why a quote, by itself, has no vote."""
        quote, fate = self.quotes[slot], self.fate(slot)
        ahead_s = quote.observed_at - self.now_s
        if fate == Why.FUTURE:
            what = "future", f"observed {ahead_s:.0f} s from now, limit {self.params.max_ahead_s} s"
        elif fate == Why.STALE:
            limit = quote.observed_at + self.kind.max_age_s if quote.valid_until is None else quote.valid_until
            what = "stale", f"{-ahead_s:.0f} s old, limit {limit - quote.observed_at} s"
        elif fate == Why.TOO_WIDE:
            width_bps = quote.half_width / quote.price * BPS
            what = "too_wide", f"half width {width_bps:.0f} bps, limit {self.kind.max_width_bps} bps"
        elif fate == Why.INVALID:
            what = "invalid", f"price is {quote.price}, half width {quote.half_width}"
        else:
            return None
        return Dissent(quote.source, quote.group, *what, price=quote.price)

    def _off_group(self, slot: int, speakers: Mapping[str, Quote]) -> Dissent:
        quote = self.quotes[slot]
        chosen = speakers[quote.group]
        detail = f"{_off(quote.price, chosen.price)} off {chosen.source}, band {self.kind.band_bps} bps"
        return Dissent(quote.source, quote.group, "outside_group", detail, quote.price)

    def _decided(self, voting: Sequence[int], missing: Sequence[str], left_out: list[Dissent]) -> ReconciledPrice:
        decisions, column = self.decisions, self.column
        centre = (self.quotes[decisions.lower[column]].price + self.quotes[decisions.upper[column]].price) / 2
        agreeing = [i for i in voting if self.fate(i) == Why.AGREES]
        outside = [self._outside(i, centre) for i in voting if self.fate(i) == Why.OUTSIDE_BAND]
        dissenters = _ordered([*left_out, *outside])
        share = f"{len(agreeing)} of {len(voting)} groups agree{self._weights(agreeing, voting)}"
        band_bps = f"{float(decisions.tolerance[column]) * 10_000:.0f}"
        if self.outcome == Outcome.NO_CONSENSUS:
            said = ", ".join(f"{self.quotes[i].group} {self.quotes[i].price:f}" for i in voting)
            reason = f"{share} within {band_bps} bps, {self.params.agreement} wanted: {said}"
            return ReconciledPrice(self.key, PriceStatus.NO_CONSENSUS, reason, dissenters=dissenters)
        doubts = [f"{dissent.source} is {dissent.detail}" for dissent in outside]
        doubts += [f"{group} has no vote" for group in missing]
        floor = centre * self.kind.floor_bps / BPS
        return ReconciledPrice(
            self.key,
            PriceStatus.DEGRADED if doubts else PriceStatus.OK,
            "; ".join([share, *doubts]),
            low=min(self._vote(int(decisions.low_vote[column])), centre - floor),
            mid=centre,
            high=max(self._vote(int(decisions.high_vote[column])), centre + floor),
            observed_at=min(self.quotes[i].observed_at for i in agreeing),
            contributors=tuple(self._contributor(i) for i in agreeing),
            dissenters=dissenters,
            notes=tuple(
                f"{self.quotes[i].source}: {self.quotes[i].detail['bound']}"
                for i in agreeing
                if "bound" in self.quotes[i].detail
            ),
        )

    def _vote(self, number: int) -> Decimal:
        """One of the three votes of a source, exactly."""
        side, slot = divmod(number, len(self.decisions.why))
        quote = self.quotes[slot]
        return quote.price + (side - 1) * quote.half_width

    def _contributor(self, slot: int) -> Vote:
        quote = self.quotes[slot]
        share = Decimal(f"{self.decisions.share[slot, self.column]:.4f}")
        return Vote(quote.group, quote.source, quote.price, quote.half_width, quote.observed_at, share)

    def _outside(self, slot: int, centre: Decimal) -> Dissent:
        quote = self.quotes[slot]
        band_bps = f"{float(self.decisions.tolerance[self.column]) * 10_000:.0f}"
        detail = f"{_off(quote.price, centre)} off the median {centre:f}, band {band_bps} bps"
        return Dissent(quote.source, quote.group, "outside_band", detail, quote.price)

    def _weights(self, agreeing: Sequence[int], voting: Sequence[int]) -> str:
        """Share of the weight, said where the votes do not weigh the same."""
        shares = [float(self.decisions.share[i, self.column]) for i in voting]
        if max(shares) - min(shares) < 1e-6:
            return ""
        return f" ({sum(float(self.decisions.share[i, self.column]) for i in agreeing) * 100:.0f} % of the weight)"


def _too_few(
    key: str, votes: Sequence[str], missing: Sequence[str], left_out: Sequence[Dissent], kind: PriceClass
) -> ReconciledPrice:
    """Fewer groups than the quorum: too old, held back, or simply not there."""
    held_back = {d.group for d in left_out if d.reason == "quarantined"} & set(missing)
    stale = {d.group for d in left_out if d.reason == "stale"} & set(missing)
    only_age = len(votes) + len(stale) >= kind.quorum or (not votes and stale == set(missing))
    status = PriceStatus.STALE if stale and only_age else PriceStatus.INSUFFICIENT
    if held_back and status is PriceStatus.INSUFFICIENT and len(votes) + len(stale | held_back) >= kind.quorum:
        status = PriceStatus.QUARANTINED
    reason = f"{len(votes)} of {kind.quorum} groups have a vote ({', '.join(votes) or 'none'})"
    for group in missing:
        why = min((d for d in left_out if d.group == group), key=lambda d: (d.reason != "stale", *_rank(d)))
        reason += f"; {why.source}: {why.reason}, {why.detail}"
    return ReconciledPrice(key, status, reason, dissenters=_ordered(left_out))


def _facts(found: Sequence[Quote], price: ReconciledPrice) -> tuple[Fact, ...]:
    """What venues believe, beside the price."""
    return tuple(
        Fact(q.source, q.price, q.observed_at, None if not price.mid else (q.price / price.mid - 1) * BPS)
        for q in found
    )


def _rules(params: PriceParams) -> Rules:
    gate = params.gate
    return Rules(
        max_ahead_s=params.max_ahead_s,
        agreement=float(params.agreement),
        readmit=gate.readmit_pct / 100,
        mad_k=gate.mad_sigmas,
        mad_max_bands=gate.mad_max_bands,
    )


def _place(quote: Quote) -> tuple[object, ...]:
    """Order in which quotes are looked at; for ties only."""
    return quote.price_key, quote.group, quote.source, quote.in_key, -quote.observed_at, _rank_price(quote)


def _rank_price(quote: Quote) -> tuple[str, str, str, str]:
    return str(quote.price), str(quote.half_width), str(quote.holds_until), str(quote.valid_until)


def _off(price: Decimal, centre: Decimal) -> str:
    return f"{(price / centre - 1) * BPS:+.0f} bps"


def _ordered(dissents: Sequence[Dissent]) -> tuple[Dissent, ...]:
    return tuple(sorted(dissents, key=_rank))


def _rank(dissent: Dissent) -> tuple[str, ...]:
    return dissent.group, dissent.source, dissent.reason, dissent.detail, str(dissent.price)
