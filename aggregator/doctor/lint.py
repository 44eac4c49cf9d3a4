"""What can be said about settings without asking anybody: what is missing, doubtful or in contradiction."""

import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from aggregator.config import Settings
from aggregator.doctor.finding import Finding, failing, warning
from aggregator.doctor.receivers import LOCAL, receivers
from aggregator.errors import ServiceError
from aggregator.model import load_model
from aggregator.portfolios import Portfolios
from aggregator.registry import AssetRegistry
from chains.caip import ChainId, account_chain
from chains.deployments import ChainDeployment
from chains.deployments_file import load_deployments
from chains.errors import ChainError
from risk.errors import RiskInputError

QUORUM_SOURCES = 2
"""A price with fewer independent groups than this cannot be agreed upon."""


def lint(settings: Settings, path: Path | None = None) -> list[Finding]:
    """Lines about settings that load; ``path`` is the file they come from."""
    lines = [Finding("settings load")]
    lines += _private(path)
    lines += _endpoints(settings)
    lines += _portfolios(settings)
    lines += _deployments(settings)
    lines += _model(settings)
    lines += _service(settings)
    lines += receivers(settings)
    return lines


def _private(path: Path | None) -> Iterator[Finding]:
    if path is not None and path.exists() and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        what = "settings file is private"
        yield warning(what, f"{path} can be read by others, and endpoints hold keys", f"chmod 600 {path}")


def _endpoints(settings: Settings) -> Iterator[Finding]:
    for chain, item in settings.chains.items():
        urls = [urlsplit(url.get_secret_value()) for url in item.rpc_urls]
        what = f"chains.{chain}: endpoints"
        schemes = {url.scheme for url in urls}
        if schemes - {"http", "https", "ws", "wss"}:
            yield failing(what, "one is neither http(s) nor ws(s)", "correct rpc_urls")
        elif any((url.hostname or "").endswith(".example") for url in urls):
            yield failing(what, "a placeholder of the example file", "put your own endpoint in")
        elif any(url.scheme in {"http", "ws"} and url.hostname not in LOCAL for url in urls):
            yield warning(
                what, "one is not encrypted and not on this host: its key can be seen", "use https or wss"
            )
        elif len({url.hostname for url in urls}) == 1 and urls[0].hostname not in LOCAL:
            yield warning(what, "all of one provider: its outage is yours", "name one of another provider too")
        else:
            yield Finding(what)
        if settings.index.enabled and not schemes & {"ws", "wss"}:
            detail = f"no WebSocket: changes are seen by asking every {settings.index.poll_s:g} s"
            yield warning(f"chains.{chain}: news", detail, "add a wss endpoint to rpc_urls")


def _portfolios(settings: Settings) -> Iterator[Finding]:
    what = "portfolios"
    if not settings.portfolios:
        yield warning(what, "none: nothing is watched", "add [portfolios.<name>] with its accounts")
        return
    known = Portfolios.of({n: p.accounts for n, p in settings.portfolios.items()}, map(ChainId, settings.chains))
    for name, accounts in known.members.items():
        strangers = sorted({account_chain(a) for a in accounts} - set(settings.chains))
        if strangers:
            detail = f"has accounts on {', '.join(strangers)}"
            yield failing(f"portfolios.{name}", detail, f'add [chains."{strangers[0]}"], or take them out')
        elif all(account.rpartition(":")[2].lower().startswith("0x" + "0" * 36) for account in accounts):
            yield failing(f"portfolios.{name}", "a placeholder of the example file", "put your own accounts in")
        else:
            yield Finding(f"portfolios.{name}: {len(accounts)} accounts")
    for accounts, times in Counter(known.members.values()).items():
        if times > 1:
            names = [name for name, found in known.members.items() if found == accounts]
            yield warning(what, f"{' and '.join(names)} have the same accounts", "keep one of them")


def _deployments(settings: Settings) -> Iterator[Finding]:
    what = f"deployments {settings.deployments.name}"
    try:
        known = load_deployments(settings.deployments)
    except (ChainError, ServiceError, OSError, ValueError) as error:
        yield failing(what, str(error), "name a file of that shape, or `mainnet_v1`")
        return
    missing = sorted(set(settings.chains) - set(known))
    for chain in missing:
        yield failing(f"chains.{chain}: addresses", f"{what} has none", "add the chain to the file")
    used = [d for chain, d in known.items() if chain in settings.chains]
    if not missing:
        yield Finding(what, detail=f"{len(used)} of its {len(known)} chains are used")
    yield from _prices(settings, used)


def _prices(settings: Settings, used: list[ChainDeployment]) -> Iterator[Finding]:
    """Assets whose price could never reach a quorum."""
    groups: dict[str, set[str]] = {}
    for deployment in used:
        feeds = deployment.feeds
        named = [("chainlink", f.price_key) for f in feeds.chainlink] + [
            ("uniswap", p.price_key) for p in feeds.twap
        ]
        named += [("pyth", key) for key in (feeds.pyth.ids if feeds.pyth else ())]
        named += [("rate", rate.price_key) for rate in feeds.rates]
        for group, key in named:
            groups.setdefault(key, set()).add(group)
    for exchange in settings.prices.exchanges:
        for key in exchange.symbols:
            groups.setdefault(key, set()).add(exchange.name)
    for key in settings.prices.hermes.ids if settings.prices.hermes else ():
        groups.setdefault(key, set()).add("pyth")
    keys = AssetRegistry.of(used).price_keys()
    thin = sorted(key for key in keys if len(groups.get(key, ())) < QUORUM_SOURCES)
    if thin:
        detail = f"fewer than {QUORUM_SOURCES} independent sources: {', '.join(thin)}"
        yield warning(
            "prices: every asset can be priced", detail, "add exchanges, or feeds to the deployments file"
        )
    else:
        yield Finding("prices: every asset can be priced")


def _model(settings: Settings) -> Iterator[Finding]:
    try:
        model = load_model(settings.model, tuple(map(ChainId, settings.chains)))
    except (ServiceError, RiskInputError, OSError) as error:
        yield failing("model", str(error), "correct the setting that it names")
        return
    yield Finding("model", detail=f"{model.id}, parameters {model.params_hash[:12]}")


def _service(settings: Settings) -> Iterator[Finding]:
    public = settings.service.host not in LOCAL
    if public and settings.access.public:
        detail = f"{settings.service.host} answers everybody without a key"
        yield warning("service.host", detail, "set access.public = false and make keys with `crossmargin keys`")
    else:
        yield Finding("service.host")
