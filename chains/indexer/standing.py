"""What an account stands for by events alone: its legs with the amounts that time and market do not move. Pure."""

from collections.abc import Iterable
from typing import Any

import msgspec

from chains.accounts import BOOKED, UNBOOKED, PositionKind, VenueAccount, VenueId

Standing = dict[VenueId, list[list[str]]]
_UNKNOWN = ("", "unknown", "", "", "", "")
NONE = "{}"
"""Standing of an account without a position at any venue."""


def standing(accounts: Iterable[VenueAccount], unknown: Iterable[VenueId] = ()) -> str:
    """Canonical JSON by venue: sub-account, kind, asset, label, booked amount and mode of every leg.

    Two reads of an account that no event has changed between them give the same text, whatever interest, funding
    and prices did. Legs that move without events (market makers') stand without an amount; those that come and go
    without events do not stand. ``unknown``: venues at which something of the account is of a kind that the reader
    does not know; a leg of its own says so.
    """
    found: Standing = {venue: [list(_UNKNOWN)] for venue in unknown}
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
    """Venues whose legs differ. Transfers in flight are left out: they expire and arrive by themselves.

    So is what was or is unknown: settings, not events, tell a reader of one more asset.
    """
    old, new = _lasting(before), _lasting(after)
    vague = {venue for known in (old, new) for venue, legs in known.items() if list(_UNKNOWN) in legs}
    return tuple(venue for venue in sorted({*old, *new} - vague) if old.get(venue) != new.get(venue))


def _lasting(text: str) -> Standing:
    legs = msgspec.json.decode(text, type=dict[str, list[list[str]]])
    kept = {VenueId(v): [leg for leg in found if leg[1] != PositionKind.IN_FLIGHT] for v, found in legs.items()}
    return {venue: found for venue, found in kept.items() if found}
