"""From the settings of a chain to its transport and the rule of its block, with the endpoints' metrics."""

from collections.abc import Mapping

from aggregator import metrics
from aggregator.config import ChainSettings, Settings
from chains.caip import ChainId
from chains.cut import ChainRule
from chains.deployments import ChainDeployment
from chains.evm.observe import EndpointName
from chains.evm.rpc import HttpTransport, TransportLimits

_OPENNESS = {"closed": 0.0, "half_open": 0.5, "open": 1.0}


class EndpointMetrics:
    """Observer of the transport that fills the metrics; endpoints go by their ordinal in the settings."""

    def exchanged(self, endpoint: EndpointName, requests: int, seconds: float, outcome: str) -> None:
        """Count a send."""
        labels = {"chain": endpoint.chain, "endpoint": str(endpoint.ordinal)}
        metrics.ENDPOINT_REQUESTS.labels(**labels, outcome=outcome).inc(requests)
        metrics.ENDPOINT_SECONDS.labels(**labels).observe(seconds)

    def changed(self, endpoint: EndpointName, state: str) -> None:
        """Show the circuit."""
        labels = {"chain": endpoint.chain, "endpoint": str(endpoint.ordinal)}
        metrics.ENDPOINT_OPEN.labels(**labels).set(_OPENNESS[state])

    def hedged(self, endpoint: EndpointName) -> None:
        """Count a hedge."""
        metrics.ENDPOINT_HEDGES.labels(chain=endpoint.chain, endpoint=str(endpoint.ordinal)).inc()


def transport_of(chain: ChainId, settings: ChainSettings) -> HttpTransport:
    """Transport over the endpoints of a chain; sends nothing yet."""
    limits = TransportLimits(
        rate_per_s=settings.rate_per_s,
        concurrency=settings.concurrency,
        timeout_s=settings.timeout_s,
        hedge_after_s=settings.hedge_after_s,
        agree=settings.agree,
    )
    urls = [url.get_secret_value() for url in settings.rpc_urls]
    return HttpTransport(chain, urls, limits=limits, observer=EndpointMetrics())


def rules_of(settings: Settings, deployments: Mapping[ChainId, ChainDeployment]) -> dict[ChainId, ChainRule]:
    """How each chain's block is chosen and judged."""
    grace_s = settings.prices.sequencer_grace_s
    return {
        chain: ChainRule(
            finality=settings.chains[chain].finality,
            max_head_age_s=settings.chains[chain].max_head_age_s,
            sequencer_uptime=deployment.feeds.sequencer_uptime,
            sequencer_grace_s=grace_s,
        )
        for chain, deployment in deployments.items()
    }
