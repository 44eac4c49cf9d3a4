"""An incident step by step: what each source said, what this layer said, what simpler rules would have said."""

from decimal import Decimal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.cli.price_picture import STYLES, amount
from oracles.incidents import Incident, Outcome, replay
from oracles.types import ReconciledPrice


def show_incident(console: Console, incident: Incident) -> None:
    """Print an incident."""
    console.rule(f"{incident.name}  {incident.date}", align="left")
    console.print(Text(incident.title, style="bold"))
    console.print(Text(f"origin: {incident.origin}", style="dim"))
    for outcome in replay(incident):
        console.print(Text(f"\n{outcome.step.label}", style="bold"))
        console.print(_said(outcome), highlight=False)
        console.print(_answers(incident, outcome), highlight=False)
    console.print(Text(f"\n{incident.lesson}\n", style="italic"))


def _said(outcome: Outcome) -> Table:
    """What each source said and what became of it."""
    table = Table(box=None, padding=(0, 2, 0, 2))
    for name in ("source", "said", "what became of it"):
        table.add_column(name, justify="right" if name == "said" else "left")
    price = outcome.price
    for source, value in outcome.said:
        mark = " (assumed)" if source in outcome.step.assumed else ""
        table.add_row(f"{source}{mark}", amount(value), fate_of(source, price))
    told = {source for source, _ in outcome.said}
    for dissent in price.dissenters:
        if dissent.source not in told:
            table.add_row(dissent.source, "-", f"{dissent.reason}: {dissent.detail}")
    return table


def fate_of(source: str, price: ReconciledPrice) -> str:
    """What became of a source's quote."""
    for dissent in price.dissenters:
        if dissent.source == source:
            return f"{dissent.reason}: {dissent.detail}"
    for vote in price.contributors:
        if vote.source == source:
            return f"agrees, {vote.share * 100:.0f} % of the weight"
    for fact in price.facts:
        if fact.source == source:
            off = "" if fact.off_bps is None else f", {fact.off_bps:+.0f} bps off"
            return f"a venue's belief, no vote{off}"
    return "no part in a price" if price.mid is None else "spoken for by its group"


def _answers(incident: Incident, outcome: Outcome) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 2), show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    price = outcome.price
    span = "" if price.low is None else f"[{amount(price.low)} .. {amount(price.high)}]"
    status = Text.assemble((price.status.value, STYLES[price.status]), f" {span} {price.reason}")
    table.add_row(Text("this layer", style="bold"), amount(_short(price.mid)), status)
    for note in price.notes:
        table.add_row("", "", Text(f"! {note}", style="yellow"))
    if price.ceiling is not None:
        table.add_row("  borrowed against as", amount(_short(price.borrow_low)), "")
    table.add_row("a plain median", amount(outcome.median), _off(outcome.median, price.mid))
    table.add_row("a mean", amount(outcome.mean), _off(outcome.mean, price.mid))
    table.add_row(f"{incident.feed} alone", amount(outcome.feed), _off(outcome.feed, price.mid))
    return table


def _off(value: Decimal | None, mid: Decimal | None) -> str:
    if value is None or mid is None:
        return "" if value is None else "given out without a word of doubt"
    off = (value / mid - 1) * 100
    return "" if abs(off) < Decimal("0.05") else f"{off:+,.1f} %"


def _short(value: Decimal | None) -> Decimal | None:
    return None if value is None else Decimal(f"{value:.12g}")
