"""Receivers: is there one, how do alerts travel, and does anybody listen there; nothing is sent."""

import asyncio
import ssl
from urllib.parse import urlsplit

from aiohttp.resolver import ThreadedResolver

from aggregator.config import Settings
from aggregator.delivery.guard import PrivateAddress, PublicResolver
from aggregator.delivery.senders import understood
from aggregator.delivery.settings import WebhookSettings
from aggregator.doctor.finding import Finding, failing, warning

LOCAL = {"http://localhost", "http://127.0.0.1", "http://::1"}


def receivers(settings: Settings) -> list[Finding]:
    """One line per receiver, and one where nobody would be told."""
    if not settings.webhooks:
        return [warning("webhooks: somebody is told", "no receiver in the settings", "add a [[webhooks]] table")]
    return [_receiver(hook) for hook in settings.webhooks]


def _receiver(hook: WebhookSettings) -> Finding:
    what = f"webhooks.{hook.name}: address and secret"
    if hook.kind == "apprise":
        if understood(hook.url.get_secret_value()):
            return Finding(what)
        return failing(what, "apprise does not understand the address", "write it as apprise documents it")
    if hook.target in LOCAL and not hook.allow_private:
        return failing(what, "the address is on this host", "set allow_private = true if that is meant")
    if hook.target.startswith("http://") and hook.target not in LOCAL:
        return warning(what, "alerts travel unencrypted", "use https")
    return Finding(what)


async def reached(settings: Settings) -> list[Finding]:
    """One line per webhook whose address is in order: its name resolves, somebody listens, TLS holds."""
    wanted = [hook for hook in settings.webhooks if hook.kind == "webhook" and _receiver(hook).ok]
    return list(await asyncio.gather(*map(_reached, wanted)))


async def _reached(hook: WebhookSettings) -> Finding:
    what = f"webhooks.{hook.name}: somebody listens"
    try:
        async with asyncio.timeout(hook.timeout_s):
            await _connect(hook)
    except PrivateAddress as error:
        return failing(what, str(error), "correct the name, or set allow_private = true if that is meant")
    except ssl.SSLError as error:
        return failing(what, f"TLS: {error.reason}", "renew the receiver's certificate, or correct its name")
    except (OSError, TimeoutError) as error:
        return failing(what, type(error).__name__, "start the receiver, or correct the name and port of its url")
    return Finding(what)


async def _connect(hook: WebhookSettings) -> None:
    """Open a connection as a delivery would, and close it."""
    parts = urlsplit(hook.url.get_secret_value())
    secure, host = parts.scheme == "https", str(parts.hostname)
    port = parts.port or (443 if secure else 80)
    resolver = ThreadedResolver() if hook.allow_private else PublicResolver()
    (first, *_) = await resolver.resolve(host, port)
    tls = ssl.create_default_context() if secure else None
    _, writer = await asyncio.open_connection(
        first["host"], port, ssl=tls, server_hostname=host if secure else None
    )
    writer.close()
    await writer.wait_closed()
