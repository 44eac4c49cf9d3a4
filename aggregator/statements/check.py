"""Is a statement signed, in time, and true? Everything that differs is named with both numbers."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from aggregator.clock import unix
from aggregator.report import MarginReport
from aggregator.statements.make import said
from aggregator.statements.model import Message, StatedPrice, Statement
from aggregator.statements.recompute import OtherChain, amount, on_chain, recompute
from aggregator.statements.typed import digest_of, parts, signed_by_contract, signed_by_key, well_formed
from aggregator.wiring import Wired
from chains.caip import AccountId, ChainId, parse_account
from chains.errors import InvalidId
from oracles.types import PriceBook, ReconciledPrice

TOLERANCE = Decimal("1e-9")
"""Of the portfolio's largest amount: stored prices have 15 digits, sums of floats depend on their order."""
EXACT = ("status", "model", "model_version", "parameters_hash", "complete")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as stated."""

    what: str
    stated: str
    found: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What checking a statement found."""

    differences: tuple[Difference, ...]
    compared: int
    """Figures that were recomputed."""
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Nothing differs."""
        return not self.differences


async def check(statement: Statement, wired: Wired | None, now: datetime, signer: str | None = None) -> Checked:
    """Signature, time and figures of a statement; ``wired`` None: the chains are not asked.

    Raises ChainError where a chain that is needed cannot be read.
    """
    message = statement.typed_data.message
    found = [*_wrapping(statement), *_time(message, now), *await signature_differences(statement, wired, signer)]
    if wired is None:
        return Checked(tuple(found), 0, ("the chains were not asked: no figure was recomputed",))
    try:
        again = await recompute(wired, message)
    except (OtherChain, InvalidId, ValueError, InvalidOperation) as error:
        return Checked((*found, _unusable(error)), 0, ("no figure could be recomputed",))
    rows = list(_compared(message, again.report))
    prices = list(_prices(message.prices, again.prices))
    found += [row for row in (*rows, *prices) if isinstance(row, Difference)]
    notes = [row for row in prices if isinstance(row, str)]
    if message.code_version != again.report.code_version:
        notes.append(f"made by version {message.code_version}, recomputed by {again.report.code_version}")
    return Checked(tuple(found), len(rows), tuple(notes))


def _unusable(error: Exception) -> Difference:
    if isinstance(error, OtherChain):
        return Difference(error.what, error.stated, error.found)
    return Difference("content", "a margin statement", f"not usable: {error}")


def _wrapping(statement: Statement) -> Iterator[Difference]:
    """What stands around the signed part must say the same."""
    data, message = statement.typed_data, statement.typed_data.message
    if not well_formed(data):
        yield Difference("typed_data.types", "those of a margin statement", "others")
        return
    digest = "0x" + digest_of(data).hex()
    if statement.digest != digest:
        yield Difference("digest", statement.digest, digest)
    blocks = {chain: (b.number, b.hash, b.timestamp) for chain, b in statement.as_of.blocks.items()}
    signed = {block.chain: (block.number, block.hash, block.timestamp) for block in message.blocks}
    if blocks != signed or unix(statement.as_of.time) != message.as_of:
        yield Difference("as_of", f"{unix(statement.as_of.time)} {blocks}", f"{message.as_of} {signed}")
    if statement.data_quality.complete is not message.complete:
        yield Difference("data_quality.complete", str(statement.data_quality.complete), str(message.complete))


def _time(message: Message, now: datetime) -> Iterator[Difference]:
    if unix(now) >= message.expires_at:
        yield Difference("expires_at", _utc(message.expires_at), f"now {_utc(unix(now))}")
    if message.issued_at > unix(now) + 60 or message.as_of > message.issued_at:
        stated = f"as of {_utc(message.as_of)}, issued {_utc(message.issued_at)}"
        yield Difference("issued_at", stated, f"now {_utc(unix(now))}")


def _utc(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return str(seconds)


async def signature_differences(statement: Statement, wired: Wired | None, wanted: str | None) -> list[Difference]:
    """What is wrong with the signature: nothing where the signer's key or contract stands by it."""
    data, signature = statement.typed_data, bytes.fromhex(statement.signature[2:])
    stated = data.message.signer
    try:
        chain, address = parts(AccountId(parse_account(stated)))
    except InvalidId:
        return [Difference("signer", stated, "no CAIP-10 account")]
    found: list[Difference] = []
    if wanted is not None and wanted not in {stated, address}:
        found.append(Difference("signer", stated, f"expected {wanted}"))
    if data.domain.chainId != int(chain.partition(":")[2]):
        found.append(Difference("typed_data.domain.chainId", str(data.domain.chainId), chain))
    if not well_formed(data) or signed_by_key(data, signature, address):
        return found
    client = None if wired is None else wired.clients.get(ChainId(chain))
    if client is not None and await signed_by_contract(client, data, signature, address):
        return found
    asked = (
        "neither the address's own nor accepted by a contract"
        if client
        else f"not the key's own; {chain} not asked"
    )
    return [*found, Difference("signature", f"by {stated}", asked)]


def _compared(message: Message, report: MarginReport) -> Iterator[Difference | None]:
    """Every figure beside its recomputed one; None where they are the same."""
    again = Message.model_construct(**said(report))
    amounts = (amount(figure.value) for figure in again.figures if figure.name.endswith("_usd"))
    slack = TOLERANCE * max((abs(value) for value in amounts if value is not None), default=Decimal(1))
    for name in EXACT:
        yield _same(name, str(getattr(message, name)), str(getattr(again, name)))
    mine = {figure.name: figure.value for figure in again.figures}
    stated = {figure.name: figure.value for figure in message.figures}
    yield from _table("figures", {"": stated}, {"": mine}, slack)
    yield from _table("venue account", _accounts(message), _accounts(again), slack)


def _accounts(message: Message) -> dict[str, Mapping[str, str]]:
    return {
        f"{line.account}/{line.venue}/{line.sub_account}".rstrip("/"): line.model_dump(
            exclude={"account", "venue", "sub_account"}
        )
        for line in message.venue_accounts
    }


def _table(
    kind: str, stated: Mapping[str, Mapping[str, str]], found: Mapping[str, Mapping[str, str]], slack: Decimal
) -> Iterator[Difference | None]:
    for name in sorted(stated.keys() | found.keys()):
        if name not in stated or name not in found:
            yield Difference(f"{kind} {name}", _there(name in stated), _there(name in found))
            continue
        for field in sorted(stated[name].keys() | found[name].keys()):
            values = (stated[name].get(field, "-"), found[name].get(field, "-"))
            yield _near(" ".join(filter(None, (kind, name, field))), *values, slack)


def _there(is_there: bool) -> str:
    return "there" if is_there else "not there"


def _same(what: str, stated: str, found: str) -> Difference | None:
    return None if stated == found else Difference(what, stated, found)


def _near(what: str, stated: str, found: str, slack: Decimal) -> Difference | None:
    if stated == found:
        return None
    try:
        near = abs(Decimal(stated) - Decimal(found)) <= (slack if what.endswith("_usd") else TOLERANCE)
    except InvalidOperation:
        near = False
    return None if near else Difference(what, stated, found)


def _prices(stated: Iterable[StatedPrice], book: PriceBook) -> Iterator[Difference | str]:
    """Stated prices that the chains' sources do not give; those with other sources need only overlap."""
    for price in stated:
        found = book[price.price_key]
        if _agrees(price, found):
            continue
        what = f"price of {price.price_key}"
        if on_chain(price) or not _overlap(price, found):
            stated_band = _band(price.status, price.low_usd, price.mid_usd, price.high_usd)
            yield Difference(what, stated_band, _shown(found))
        else:
            yield f"{what}: sources outside the chains have a part in it; the chains' own overlap with it"


def _agrees(price: StatedPrice, found: ReconciledPrice) -> bool:
    stated = (price.low_usd, price.mid_usd, price.high_usd, price.borrow_ceiling_usd)
    pairs = zip(map(amount, stated), (found.low, found.mid, found.high, found.ceiling), strict=True)
    usable = amount(price.mid_usd) is not None
    return usable == found.status.usable and all(_close(a, b) for a, b in pairs)


def _close(a: Decimal | None, b: Decimal | None) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= TOLERANCE * max(abs(a), abs(b))


def _overlap(price: StatedPrice, found: ReconciledPrice) -> bool:
    low, high = amount(price.low_usd), amount(price.high_usd)
    if low is None or high is None or found.low is None or found.high is None:
        return False
    return low <= found.high and found.low <= high


def _shown(found: ReconciledPrice) -> str:
    texts = ("unknown" if value is None else f"{value:.15g}" for value in (found.low, found.mid, found.high))
    return _band(found.status.value, *texts)


def _band(status: str, low: str, mid: str, high: str) -> str:
    return f"{status} {mid} in [{low}, {high}]"
