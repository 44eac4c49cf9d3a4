"""The composition root: settings become clients, readers, sources, the cycle and the service."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from aggregator.bridge_desk import BridgeDesk
from aggregator.config import Settings
from aggregator.cycle import Cycle
from aggregator.delivery.notifier import Notifier
from aggregator.endpoints import rules_of, transport_of
from aggregator.errors import ConfigError
from aggregator.margin_rule import margin_figures
from aggregator.model import load_model
from aggregator.portfolios import Portfolios
from aggregator.pricing import PriceDesk
from aggregator.registry import AssetRegistry
from aggregator.remote_prices import legs_of, open_remote
from aggregator.replay.freeze import Freezer
from aggregator.reports import ReportMaker
from aggregator.service import Service
from aggregator.store.repository import Store
from aggregator.workers.share import Share, digest_of
from chains.caip import ChainId
from chains.deployments import ChainDeployment
from chains.deployments_file import load_deployments
from chains.evm.client import EvmClient
from chains.evm.rpc import HttpTransport
from chains.protocols import VenueReader
from chains.venues.catalogue import readers_of
from chains.venues.holdings import Haircuts
from oracles.catalogue import sources_of, venue_facts
from oracles.clocks import ClockMeter
from oracles.params import PriceParams, load_params
from oracles.protocols import PriceSource
from oracles.sources.backing import BackingReader


@dataclass(frozen=True, slots=True)
class Wired:
    """What a command works with."""

    settings: Settings
    clients: Mapping[ChainId, EvmClient]
    cycle: Cycle
    transports: Mapping[ChainId, HttpTransport] = field(default_factory=dict)


@asynccontextmanager
async def wire(settings: Settings) -> AsyncIterator[Wired]:
    """Clients, readers and the cycle; connections are closed on the way out. No request is sent here."""
    deployments = _deployments(settings)
    async with AsyncExitStack() as stack:
        params, meter = load_params(settings.prices.parameters), ClockMeter()
        poll_s = settings.service.scan_interval_s
        remote = await open_remote(stack, settings.prices, params, meter, poll_s)
        clients: dict[ChainId, EvmClient] = {}
        transports: dict[ChainId, HttpTransport] = {}
        for chain, deployment in deployments.items():
            transport = await stack.enter_async_context(transport_of(chain, settings.chains[chain]))
            transports[chain] = transport
            clients[chain] = EvmClient(chain, transport, deployment.multicall3)
        bridged = [(chain, token) for chain, d in deployments.items() for token in d.feeds.bridged]
        desk = PriceDesk(params, BackingReader(clients, bridged), meter, _legs(settings, deployments, params))
        cycle = _cycle(settings, deployments, clients, desk, remote)
        yield Wired(settings, clients, cycle, transports)


@asynccontextmanager
async def open_service(wired: Wired, *, shared: bool = False) -> AsyncIterator[tuple[Service, Store, Notifier]]:
    """The service over the settings' database; ``shared``: as one of several workers, whose part is yet empty."""
    settings = wired.settings
    store = await Store.open(settings.database.get_secret_value())
    try:
        share = share_of(wired, store) if shared else None
        notifier = Notifier(store, settings.webhooks, settings.delivery)
        interval_s = settings.service.scan_interval_s
        freezer = Freezer(wired.cycle.maker) if settings.retention.inputs_days else None
        service = Service(wired.cycle, store, notifier, interval_s, settings.watch_book, freezer, share)
        yield service, store, notifier
    finally:
        await store.close()


def share_of(wired: Wired, store: Store) -> Share:
    """A worker's part, of the endpoints' rates as well."""
    rates = {digest: rate for transport in wired.transports.values() for digest, rate in transport.rates.items()}
    book = digest_of(wired.cycle.portfolios)
    return Share(store, tuple(wired.clients), wired.settings.workers, book=book, rates=rates)


def _cycle(
    settings: Settings,
    deployments: Mapping[ChainId, ChainDeployment],
    clients: Mapping[ChainId, EvmClient],
    desk: PriceDesk,
    remote: Sequence[PriceSource],
) -> Cycle:
    registry = AssetRegistry.of(deployments.values())
    prices = desk.params
    haircuts = Haircuts(settings.model.haircut_crypto, settings.model.haircut_stable)
    readers: list[VenueReader] = []
    sources: list[PriceSource] = list(remote)
    for chain, deployment in deployments.items():
        lookback = settings.chains[chain].log_lookback_blocks
        readers += readers_of(chain, clients, deployments, haircuts, lookback, margin_figures)
        sources += sources_of(clients[chain], deployment, prices)
        sources += venue_facts(clients[chain], deployment) if settings.prices.venue_facts else ()
    portfolios = Portfolios.of({name: item.accounts for name, item in settings.portfolios.items()}, clients)
    names = {chain: deployment.name for chain, deployment in deployments.items()}
    model = load_model(settings.model, tuple(clients))
    live = settings.bridges.live
    # An operator may miss one answer; after a second one it has nothing to say.
    fresh_for = timedelta(seconds=2 * (live.every_s + settings.bridges.every_s) + live.timeout_s)
    return Cycle(
        clients=clients,
        readers=readers,
        sources=sources,
        deployments=deployments,
        portfolios=portfolios,
        maker=ReportMaker(registry, model, prices, names),
        desk=desk,
        bridges=BridgeDesk(model, fresh_for),
        finality=settings.finality,
        max_head_age_s=settings.max_head_age_s,
        rules=rules_of(settings, deployments),
    )


def _legs(
    settings: Settings, deployments: Mapping[ChainId, ChainDeployment], params: PriceParams
) -> frozenset[str]:
    """Price keys that others are quoted in."""
    rates = {rate.quote_key for deployment in deployments.values() for rate in deployment.feeds.rates}
    listed = {in_key for item in settings.prices.exchanges for in_key in legs_of(item.symbols)}
    return frozenset(rates | listed | {cap.base for cap in params.caps.values()})


def _deployments(settings: Settings) -> dict[ChainId, ChainDeployment]:
    """Deployments of the configured chains; raises ConfigError for a chain without one."""
    path = Path(settings.deployments)
    known = load_deployments(path)
    missing = [chain for chain in map(ChainId, settings.chains) if chain not in known]
    if missing:
        raise ConfigError(f"chains.{missing[0]}: no deployment of it in {path.name}, which has {sorted(known)}")
    return {chain: known[chain] for chain in map(ChainId, settings.chains)}
