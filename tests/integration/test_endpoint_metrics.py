"""What the metrics say about endpoints while one of them fails; their URLs never appear."""

import pytest
from prometheus_client import generate_latest

from aggregator.config import ChainSettings
from aggregator.endpoints import transport_of
from aggregator.metrics import REGISTRY
from chains.caip import ChainId
from chains.devnet import anvil
from tests.kit.fault_proxy import SECRET, fault_proxy, resetting, slow

pytestmark = pytest.mark.devnet
OP = ChainId("eip155:10")


def value(name, **labels):
    return REGISTRY.get_sample_value(name, {"chain": OP, **labels})


async def test_endpoints_are_counted_by_ordinal_and_never_by_url():
    node = anvil.start(10)
    try:
        async with fault_proxy(node.http_url) as first, fault_proxy(node.http_url) as second:
            settings = ChainSettings(rpc_urls=(first.url, second.url), hedge_after_s=0.05)
            async with transport_of(OP, settings) as transport:
                before = value("crossmargin_endpoint_requests_total", endpoint="1", outcome="ok") or 0
                await transport.send([("eth_blockNumber", []), ("eth_gasPrice", [])])
                after = value("crossmargin_endpoint_requests_total", endpoint="1", outcome="ok")
                assert after == before + 2
                hedges = value("crossmargin_endpoint_hedges_total", endpoint="2") or 0
                first.fault = slow(0.3)
                await transport.send([("eth_blockNumber", [])])
                assert value("crossmargin_endpoint_hedges_total", endpoint="2") == hedges + 1
                second.fault = first.fault = resetting()
                for _ in range(2):
                    with pytest.raises(Exception, match=r"endpoint 1: .*; .*endpoint 2: "):
                        await transport.send([("eth_blockNumber", [])])
                assert value("crossmargin_endpoint_open", endpoint="1") == 1
                assert value("crossmargin_endpoint_requests_total", endpoint="1", outcome="unreachable") >= 1
    finally:
        node.stop()
    shown = generate_latest(REGISTRY).decode()
    assert "crossmargin_endpoint_seconds_bucket" in shown
    assert SECRET not in shown
    assert "127.0.0.1" not in shown
