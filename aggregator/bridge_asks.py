"""Asking the operators whose interfaces the settings name. Their addresses may hold keys: they are never said."""

import asyncio
from collections.abc import Mapping, Sequence

import aiohttp
from pydantic import SecretStr

from aggregator import bridge_live, metrics
from aggregator.bridge_desk import Said, key_of
from aggregator.bridge_laws import Key, Observation
from aggregator.bridge_settings import LiveSettings
from aggregator.clock import utc_now
from chains.caip import ChainId, asset_address
from chains.deployments import ChainDeployment
from risk.routes import Route

AT_ONCE = 4
"""Requests under way to all operators together."""
STABLE = "USDC"
"""What quotes are asked for."""


class Asks:
    """The interfaces of the settings over the routes in use."""

    def __init__(self, settings: LiveSettings, deployments: Mapping[ChainId, ChainDeployment]) -> None:
        self._settings = settings
        self._tokens = _tokens(deployments)
        self._lanes = {(lane.source, lane.destination): lane.query for lane in settings.lanes}
        self._gate = asyncio.Semaphore(AT_ONCE)

    @property
    def wanted(self) -> bool:
        """Whether there is anybody to ask."""
        own = self._settings
        return any((own.across, own.cctp, own.ccip, own.lifi))

    def session(self) -> aiohttp.ClientSession:
        """A session with the patience of the settings."""
        return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._settings.timeout_s))

    async def estimates(self, session: aiohttp.ClientSession, routes: Sequence[Route]) -> dict[Key, Said]:
        """What operators say of the routes; those that nobody is asked about are left out."""
        answers = await asyncio.gather(*(self._of(session, route) for route in routes))
        found = {key_of(route): said for route, said in zip(routes, answers, strict=True) if said is not None}
        for (bridge, source, destination), said in found.items():
            gauge = metrics.BRIDGE_LIVE.labels(bridge=bridge, source=source, destination=destination)
            gauge.set(0 if said.reason else 1)
        return found

    async def _of(self, session: aiohttp.ClientSession, route: Route) -> Said | None:
        async with self._gate:
            live = await self._asked(session, route)
        return None if live is None else Said(utc_now(), live.reason, live.said)

    async def _asked(self, session: aiohttp.ClientSession, route: Route) -> bridge_live.Live | None:
        own = self._settings
        if route.bridge == "across" and own.across is not None:
            if not {route.source, route.destination} <= set(self._tokens):
                return bridge_live.Live(
                    route, f"across: no {STABLE} in the deployments of both ends; the default law stands"
                )
            return await bridge_live.across(session, _base(own.across), route, self._tokens)
        if route.bridge == "cctp_v2_fast" and own.cctp is not None:
            return await bridge_live.cctp_fast(session, _base(own.cctp), route)
        if route.bridge == "ccip" and own.ccip is not None:
            lane = self._lanes.get((route.source, route.destination))
            return None if lane is None else await bridge_live.ccip(session, _base(own.ccip), route, lane)
        return None

    async def transfers(self, session: aiohttp.ClientSession, done: frozenset[str]) -> dict[str, Observation]:
        """Own transfers that have arrived, by bridge and transaction hash, but those that are ``done`` already."""
        if self._settings.lifi is None:
            return {}
        base = _base(self._settings.lifi)
        names = [(bridge, hash_) for bridge, hashes in self._settings.transfers.items() for hash_ in hashes]
        wanted = [(bridge, hash_) for bridge, hash_ in names if name_of(bridge, hash_) not in done]
        answers = await asyncio.gather(*(self._status(session, base, *each) for each in wanted))
        pairs = zip(wanted, answers, strict=True)
        return {name_of(*each): answer for each, answer in pairs if answer is not None}

    async def _status(
        self, session: aiohttp.ClientSession, base: str, bridge: str, hash_: str
    ) -> Observation | None:
        async with self._gate:
            return await bridge_live.lifi_status(session, base, hash_, bridge)

    @property
    def names(self) -> frozenset[str]:
        """Every transfer that the settings ask for."""
        return frozenset(name_of(b, h) for b, hashes in self._settings.transfers.items() for h in hashes)


def name_of(bridge: str, hash_: str) -> str:
    """A transfer's name in the store; longer than any that a spoke pool's has."""
    return f"tx:{bridge[:8]}:{hash_.removeprefix('0x').lower()[:64]}"


def _base(url: SecretStr) -> str:
    return url.get_secret_value().rstrip("/")


def _tokens(deployments: Mapping[ChainId, ChainDeployment]) -> dict[str, str]:
    """Address of the stable coin by chain."""
    return {
        str(chain): str(asset_address(info.asset))
        for chain, deployment in deployments.items()
        for info in deployment.assets
        if info.symbol == STABLE
    }
