"""Watches and alerts by HTTP: reading, changing, muting, acknowledging, and who may do it."""

from datetime import timedelta

import pytest

from aggregator.clock import utc_now
from aggregator.watches.book import WatchBook, defaults
from aggregator.watches.watching import Watching
from api.http.deps import DEPS
from risk.status import Status
from tests.kit import world as hand
from tests.kit.api import NAME, PRIVATE, a_world, api, key_for


@pytest.fixture
async def client(tmp_path):
    async with api(tmp_path, PRIVATE) as opened:
        yield opened


async def append(client, status: Status = Status.SAFE):
    (made,) = hand.maker().make(a_world())
    now = made.as_of.model_copy(update={"time": utc_now()})
    made = made.model_copy(update={"status": status, "as_of": now})
    return await client.app[DEPS].store.append([made], Watching(WatchBook()), [])


async def asked(client, method: str, path: str, headers, status: int = 200, **more):
    response = await client.request(method, path, headers=headers, **more)
    assert response.status == status, await response.text()
    return await response.json() if status not in {204, 304} else None


async def test_every_portfolio_has_the_watches_of_the_package(client):
    read = await key_for(client, "read")
    rows = (await asked(client, "GET", "/v1/watches", read))["watches"]
    assert [row["id"] for row in rows] == [f"{NAME}:{name}" for name in defaults()]
    (status,) = [row for row in rows if row["name"] == "status"]
    assert [level["fire"] for level in status["levels"]] == ["WATCH", "BRIDGE_NOW", "DELEVERAGE", "LIQUIDATABLE"]
    assert (status["origin"], status["changed"], status["enabled"]) == ("package", False, True)
    one = await asked(client, "GET", f"/v1/watches/{NAME}:status", read)
    assert one["watch"] == status


async def test_an_alert_is_acknowledged_once_and_filtered_by_state(client):
    (alert,) = [a for a in await append(client, Status.LIQUIDATABLE) if a.watch == "status"]
    read, watch = await key_for(client, "read"), await key_for(client, "read", "watch")
    (item,) = [
        a for a in (await asked(client, "GET", "/v1/alerts?state=open", read))["alerts"] if a["id"] == alert.id
    ]
    assert (item["life"]["state"], item["life"]["duration_s"]) == ("open", None)
    await asked(client, "POST", f"/v1/alerts/{alert.id}/ack", read, 403)
    for _ in range(2):
        done = await asked(client, "POST", f"/v1/alerts/{alert.id}/ack", watch)
        assert done["alert"]["life"]["state"] == "acknowledged"
    (listed,) = (await asked(client, "GET", "/v1/alerts?state=acknowledged", read))["alerts"]
    assert listed["life"]["acknowledged_by"].startswith("key_")
    rows = (await asked(client, "GET", f"/v1/watches?portfolio={NAME}", read))["watches"]
    assert [row["firing"] for row in rows if row["name"] == "status"] == [[""]]
    await asked(client, "POST", "/v1/alerts/alt_none/ack", watch, 404)
    await asked(client, "GET", "/v1/alerts?state=asleep", read, 400)


async def test_a_watch_is_changed_muted_and_restored(client):
    watch, path = await key_for(client, "read", "watch"), f"/v1/watches/{NAME}:status"
    changed = await asked(client, "PUT", path, watch, json={"clear_cycles": 7})
    assert (changed["watch"]["clear_cycles"], changed["watch"]["changed"]) == (7, True)
    until = (utc_now() + timedelta(hours=1)).isoformat()
    muted = await asked(client, "POST", f"{path}/mute", watch, json={"until": until})
    assert muted["watch"]["muted_until"] is not None
    assert muted["watch"]["clear_cycles"] == 7
    assert (await asked(client, "POST", f"{path}/unmute", watch))["watch"]["muted_until"] is None
    await asked(client, "DELETE", path, watch, 204)
    assert (await asked(client, "GET", path, watch))["watch"]["clear_cycles"] == 2
    await asked(client, "DELETE", path, watch, 404)
    await asked(client, "POST", f"{path}/mute", watch, 422, json={"until": "2020-01-01T00:00:00Z"})
    made = {"figure": "venue.health", "when": "below", "fire": 1.25, "clear": "1.3", "severity": "info"}
    own = await asked(client, "PUT", f"/v1/watches/{NAME}:mine", watch, json=made)
    assert own["watch"]["levels"] == [{"fire": "1.25", "clear": "1.3", "severity": "info"}]
    off = await asked(client, "PUT", f"/v1/watches/{NAME}:mine", watch, json={**made, "enabled": False})
    assert off["watch"]["enabled"] is False


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"figure": "venue.wealth"}, "no figure 'venue.wealth'"),
        ({"figure": "venue.health", "fire": "1"}, "above"),
        ({"fire": "much"}, "expected one of SAFE, WATCH"),
        ({"levels": [{"fire": "LIQUIDATABLE"}, {"fire": "WATCH"}]}, "mildest first"),
        ({"quiet": {"start": "22:00", "end": "07:00", "zone": "Moon/Crater"}}, "no time zone"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_the_field(client, body, words):
    watch = await key_for(client, "read", "watch")
    name = "new" if "figure" in body else "status"
    told = await asked(client, "PUT", f"/v1/watches/{NAME}:{name}", watch, 422, json=body)
    assert words in str(told)
    assert len((await asked(client, "GET", "/v1/watches", watch))["watches"]) == len(defaults())


async def test_what_one_may_not_see_cannot_be_watched_muted_or_acknowledged(client):
    alerts = await append(client, Status.LIQUIDATABLE)
    stranger = await key_for(client, "read", "watch", portfolios=("other",))
    assert (await asked(client, "GET", "/v1/watches", stranger))["watches"] == []
    assert (await asked(client, "GET", "/v1/alerts", stranger))["alerts"] == []
    for method, path, body in (
        ("GET", f"/v1/watches/{NAME}:status", None), ("PUT", f"/v1/watches/{NAME}:status", {"enabled": False}),
        ("DELETE", f"/v1/watches/{NAME}:status", None), ("POST", f"/v1/watches/{NAME}:status/unmute", None),
        ("POST", f"/v1/alerts/{alerts[0].id}/ack", None), ("GET", f"/v1/alerts?portfolio={NAME}", None),
    ):  # fmt: skip
        await asked(client, method, path, stranger, 404, json=body)
