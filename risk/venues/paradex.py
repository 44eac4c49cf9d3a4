"""Paradex: requirement of cross and portfolio accounts.

    cross      initial = max(|pos + buys|, |pos - sells|)·IMF·price
    portfolio  initial = max(scan, min delta) + funding provision + fee provision
               maintenance = 50 % of max(scan, min delta) + provisions
               min delta = ( 2 %·|net Δ| + 1 %·(gross - |net|)/2 )·spot,  net = Σ Δ, gross = Σ |Δ|

Source: tradeparadex/paradex-docs, risk system pages.
"""

from collections.abc import Sequence

from risk.checks import number


def cross_initial(position: float, buys: float, sells: float, imf: float, price: float) -> float:
    """USD; ``buys`` and ``sells`` are the sizes of open orders, both >= 0."""
    for name, value in (("position", position), ("price", price)):
        number(name, value, 0.0 if name == "price" else -1e30, 1e30)
    number("buys", buys, 0.0, 1e30)
    number("sells", sells, 0.0, 1e30)
    number("imf", imf, 0.0, 1.0)
    return max(abs(position + buys), abs(position - sells)) * imf * price


def min_delta(deltas: Sequence[float], spot: float, net_rate: float = 0.02, hedged_rate: float = 0.01) -> float:
    """USD; one signed delta per position, in units of the underlying."""
    for index, delta in enumerate(deltas):
        number(f"deltas[{index}]", delta, -1e30, 1e30)
    number("spot", spot, 0.0, 1e30)
    number("net_rate", net_rate, 0.0, 1.0)
    number("hedged_rate", hedged_rate, 0.0, 1.0)
    net, gross = abs(sum(deltas)), sum(abs(delta) for delta in deltas)
    return (net_rate * net + hedged_rate * 0.5 * (gross - net)) * spot


def portfolio_requirements(
    scan_usd: float, min_delta_usd: float, funding_usd: float = 0.0, fee_usd: float = 0.0, mm_share: float = 0.5
) -> tuple[float, float]:
    """(initial, maintenance) USD."""
    given = (("scan_usd", scan_usd), ("min_delta_usd", min_delta_usd))
    for name, value in (*given, ("funding_usd", funding_usd), ("fee_usd", fee_usd)):
        number(name, value, 0.0, 1e30)
    number("mm_share", mm_share, 0.0, 1.0)
    net, provisions = max(scan_usd, min_delta_usd), funding_usd + fee_usd
    return net + provisions, mm_share * net + provisions
