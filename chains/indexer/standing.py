"""What an account stands for by events alone: its legs with the amounts that time and market do not move. Pure."""

from collections.abc import Iterable
from typing import Any

import msgspec

from chains.types import BOOKED, UNBOOKED, PositionKind, VenueAccount, VenueId

Standing = dict[VenueId, list[list[str]]]
NONE = "{}"
"""Standing of an account without a position at any venue."""


def standing(accounts: Iterable[VenueAccount]) -> str:
    """Canonical JSON by venue: sub-account, kind, asset, label, booked amount and mode of every leg.

    Two reads of an account that no event has changed between them give the same text, whatever interest, funding
    and prices did. Legs that move without events (market makers') stand without an amount; those that come and go
    without events do not stand.
    """
    found: Standing = {}
    for account in accounts:
        legs = found.setdefault(account.venue, [])
        for position in account.positions:
            amount = position.details.get(BOOKED, str(position.raw))
            if amount == UNBOOKED:
                continue
            mode = position.details.get("e_mode", "")
            # The label of a leg that moves by itself may say which side it is on, and moves too.
            label = position.label if amount else ""
            legs.append([account.sub_account, position.kind.value, str(position.asset), label, amount, mode])
    ordered: dict[str, Any] = {venue: sorted(found[venue]) for venue in sorted(found)}
    return msgspec.json.encode(ordered).decode()


def drift(before: str, after: str) -> tuple[VenueId, ...]:
    """Venues whose legs differ. Transfers in flight are left out: they expire and arrive by themselves."""
    old, new = _lasting(before), _lasting(after)
    return tuple(venue for venue in sorted({*old, *new}) if old.get(venue) != new.get(venue))


def _lasting(text: str) -> Standing:
    legs = msgspec.json.decode(text, type=dict[str, list[list[str]]])
    kept = {VenueId(v): [leg for leg in found if leg[1] != PositionKind.IN_FLIGHT] for v, found in legs.items()}
    return {venue: found for venue, found in kept.items() if found}
