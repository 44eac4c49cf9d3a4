"""Transfers under way beside the latency law of their route: how usual their age is."""

from collections.abc import Iterable, Mapping

from chains.accounts import Position, PositionKind
from risk.routes import Route

LATE_FROM = 0.99
"""A transfer older than this share of its kind is called late."""


def transit_details(position: Position, bridge: str, routes: Iterable[Route]) -> Mapping[str, str]:
    """More details of a transfer in flight; empty for other positions and where no law is known.

    ``usual_s``: median and 95 % quantile of the route; ``arrived_by_this_age``: share of transfers of the route
    that are through by then; ``late``: beyond 99 %.
    """
    if position.kind is not PositionKind.IN_FLIGHT:
        return {}
    source, destination = position.details.get("origin"), position.details.get("destination")
    age = position.details.get("age_s")
    law = next(
        (r.law for r in routes if (r.bridge, r.source, r.destination) == (bridge, source, destination)), None
    )
    if law is None or age is None:
        return {"latency_law": "none for this route"} if age is not None else {}
    through = law.probability_within(float(age))
    return {
        "usual_s": f"{law.quantile(0.5):.0f} to {law.quantile(0.95):.0f}",
        "arrived_by_this_age": f"{through:.4f}",
        "late": "true" if through >= LATE_FROM else "false",
    }
