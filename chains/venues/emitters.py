"""The events of every venue. Adding a venue is adding a line here."""

from collections.abc import Mapping

from chains.accounts import VenueId
from chains.caip import Address
from chains.deployments import ChainDeployment
from chains.events import VenueEvents
from chains.venues.aave.events import EVENTS as AAVE
from chains.venues.across.events import EVENTS as ACROSS
from chains.venues.compound.events import EVENTS as COMPOUND
from chains.venues.derive.events import EVENTS as DERIVE
from chains.venues.gmx.events import EVENTS as GMX
from chains.venues.lyra.events import EVENTS as LYRA
from chains.venues.morpho.events import EVENTS as MORPHO
from chains.venues.perp.events import EVENTS as PERP
from chains.venues.synthetix.events import EVENTS as SYNTHETIX
from chains.venues.uniswap.events import EVENTS as UNISWAP

EMITTERS: Mapping[VenueId, VenueEvents] = {
    events.venue: events
    for events in (AAVE, ACROSS, COMPOUND, DERIVE, GMX, LYRA, MORPHO, PERP, SYNTHETIX, UNISWAP)
}


def followed(venue: VenueId) -> bool:
    """Whether events tell everything that changes an account of the venue, so that the index keeps its state."""
    return venue in EMITTERS and EMITTERS[venue].complete


def emitters_of(deployment: ChainDeployment) -> tuple[tuple[VenueEvents, Mapping[str, Address]], ...]:
    """Events of the venues of a chain with their contracts; venues without events are left to the scans."""
    return tuple((EMITTERS[venue], names) for venue, names in deployment.venues.items() if venue in EMITTERS)
