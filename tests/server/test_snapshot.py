"""What `tools/list` sends is committed, so that a change of it is seen in review.

After a wanted change:

    python tests/server/test_snapshot.py
"""

import json
from pathlib import Path

import anyio
import httpx2
from mcp import Client

from clocks import ManualClock
from market_mcp.server.app import build_server
from market_mcp.state.store import State
from rig import dispatcher_at

SNAPSHOT = Path(__file__).parents[1] / "snapshots" / "tools_list.json"
COMMAND = "python tests/server/test_snapshot.py"


async def listed(*toolsets: str) -> list[object]:
    """The tools of a server on the three sandbox markets, as they go over the wire."""
    nowhere = httpx2.MockTransport(lambda _: httpx2.Response(500))
    async with dispatcher_at(nowhere, ManualClock(), State(None), toolsets=toolsets) as dispatcher:
        server = build_server(dispatcher)
        async with Client(server, mode="legacy") as client:
            tools = (await client.list_tools()).tools
    return [tool.model_dump(by_alias=True, mode="json", exclude_none=True) for tool in tools]


def current() -> str:
    content = {"default": anyio.run(listed), "all": anyio.run(listed, "all")}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def test_the_list_of_tools_is_the_committed_one() -> None:
    committed = SNAPSHOT.read_text(encoding="utf-8")
    assert current() == committed, f"tools/list has changed; if that is wanted: {COMMAND}"


if __name__ == "__main__":
    SNAPSHOT.write_text(current(), encoding="utf-8")
