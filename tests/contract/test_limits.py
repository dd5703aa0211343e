"""The sandbox keeps the limits that the witness names, and its replies carry the keys that the witness names."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from clocks import ManualClock
from contract.test_reconcile import WITNESSED, plain
from contract.witness import Field, WitnessCall, load_all, match, missing_keys
from market_mcp.sandbox import agentjob, opentask, polt
from market_mcp.sandbox.world import OTHER_KEYS, World
from rig import Rig, sandbox_accounts
from story import live

BOUNDS = {
    "min_length": ("minLength", "minItems"),
    "max_length": ("maxLength", "maxItems"),
    "min": ("minimum",),
    "max": ("maximum",),
    "more_than": ("exclusiveMinimum",),
    "default": ("default",),
}
"""What the witness calls a bound, and what JSON Schema does."""

IN_ITS_PATTERN = ("account.register", "handle")
"""The field whose lengths the sandbox keeps by a pattern."""

RPC = "/api/mcp"
"""Where one model stands for every message, whichever tool it calls."""

Shape = Mapping[str, Any]


def fields() -> Iterator[tuple[WitnessCall, Field, Shape]]:
    """Every documented parameter and field, and the JSON Schema by which the sandbox reads it."""
    for served in (module.market(0, "seed") for module in (polt, agentjob, opentask)):
        for endpoint in served.endpoints:
            for call in WITNESSED.get((served.name, endpoint.method, plain(endpoint.path)), []):
                if endpoint.path == RPC:
                    continue
                for specs, model in ((call.query_limits, endpoint.query), (call.body, endpoint.body)):
                    shapes: Shape = {} if model is None else model.model_json_schema()["properties"]
                    yield from ((call, spec, whole(shapes[spec.name])) for spec in specs if spec.name in shapes)


def whole(shape: Shape) -> Shape:
    """A schema with what stands in its alternative to null beside the rest."""
    alternatives = [one for one in shape.get("anyOf", ()) if one.get("type") != "null"]
    return {**shape, **alternatives[0], "nullable": True} if alternatives else shape


def test_the_sandbox_keeps_the_documented_limits() -> None:
    departures: list[tuple[str, str, str]] = []
    checked = 0
    for call, spec, shape in fields():
        for bound, names in BOUNDS.items():
            documented = getattr(spec, bound)
            if documented is not None and (call.name, spec.name) != IN_ITS_PATTERN:
                checked += 1
                if documented not in [shape.get(name) for name in names]:
                    departures.append((str(call), spec.name, bound))
        if spec.item_max_length not in (None, shape.get("items", {}).get("maxLength")):
            departures.append((str(call), spec.name, "item_max_length"))
        if spec.nullable and not shape.get("nullable"):
            departures.append((str(call), spec.name, "nullable"))
        # Variants of a call share a field, of whose values each has one.
        if not set(spec.enum) <= {*shape.get("enum", ()), shape.get("const")}:
            departures.append((str(call), spec.name, "enum"))
    assert departures == []
    assert checked > 50


@dataclass
class Heard(httpx2.AsyncBaseTransport):
    """Passes requests on and keeps every good reply with the documented call that it answers."""

    inner: httpx2.AsyncBaseTransport
    replies: list[tuple[WitnessCall, object]] = field(default_factory=list[tuple[WitnessCall, object]])

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        content = await request.aread()
        response = await self.inner.handle_async_request(request)
        _, market, path = request.url.path.split("/", 2)
        call = match(market, request.method, f"/{path}", json.loads(content) if content else None)
        said = await response.aread()
        if response.is_success and call is not None and said:
            self.replies.append((call, json.loads(said)))
        return response


@pytest.mark.anyio
async def test_the_replies_of_the_sandbox_carry_the_documented_keys(
    prompt_world: World, clock: ManualClock, tmp_path: Path
) -> None:
    rig = Rig(prompt_world, clock, tmp_path)
    heard = Heard(rig.market())
    others = sandbox_accounts(keys=OTHER_KEYS)
    async with rig.open(market=heard) as you, rig.open(others, state="other.db", market=heard) as other:
        await live(you, other, clock)
    assert [(call.name, missing_keys(call, reply)) for call, reply in heard.replies if missing_keys(call, reply)] == []
    documented = {call for call in load_all() if call.reply_keys and call.tools and not call.inferred_why}
    assert documented - {call for call, _ in heard.replies} == set()
