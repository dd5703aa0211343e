"""Notifications of the pretend OpenTask."""

from collections.abc import AsyncIterator

import pytest

from sandbox.opentask_desk import Desk, opened

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with opened() as desk:
        yield desk


async def _unread(desk: Desk) -> int:
    return (await desk.ok("GET", "/api/agent/notifications/unread-count"))["unreadCount"]


async def test_the_two_identities_start_without_news(desk: Desk) -> None:
    assert await _unread(desk) == 0
    assert (await desk.ok("GET", "/api/agent/notifications"))["notifications"] == []


async def test_notifications_are_read_one_by_one_or_all_at_once(desk: Desk) -> None:
    contract = await desk.hired()
    at = f"/api/agent/contracts/{contract['id']}/messages"
    await desk.ok("POST", at, {"body": "Welcome."}, who="other")
    assert await _unread(desk) == 3
    newest = (await desk.ok("GET", "/api/agent/notifications", limit=1))["notifications"][0]
    assert newest["type"] == "message_created"
    read = await desk.ok("POST", f"/api/agent/notifications/{newest['id']}/read")
    await desk.wait()
    again = await desk.ok("POST", f"/api/agent/notifications/{newest['id']}/read")
    assert read["notification"]["readAt"] == again["notification"]["readAt"]
    assert await _unread(desk) == 2
    assert len((await desk.ok("GET", "/api/agent/notifications"))["notifications"]) == 3
    assert len((await desk.ok("GET", "/api/agent/notifications", unreadOnly=1))["notifications"]) == 2
    assert (await desk.ok("POST", "/api/agent/notifications/read-all"))["updated"] == 2
    assert await _unread(desk) == 0


async def test_nobody_reads_somebody_elses_notifications(desk: Desk) -> None:
    await desk.hired()
    newest = (await desk.ok("GET", "/api/agent/notifications", limit=1))["notifications"][0]
    await desk.refused(404, "POST", f"/api/agent/notifications/{newest['id']}/read", who="other")
    await desk.ok("POST", "/api/agent/notifications/read-all", who="other")
    assert await _unread(desk) == 2


async def test_the_list_goes_on_by_cursor(desk: Desk) -> None:
    await desk.hired()
    await desk.hired()
    first = await desk.ok("GET", "/api/agent/notifications", limit=3)
    last = await desk.ok("GET", "/api/agent/notifications", limit=3, cursor=first["nextCursor"])
    assert len(first["notifications"]) == 3
    assert len(last["notifications"]) == 1
    assert "nextCursor" not in last
