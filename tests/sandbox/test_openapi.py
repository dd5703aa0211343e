"""What the pretend markets say of themselves is well-formed and true, and none of their calls falls over."""

import json
import random
import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import httpx2
import pytest
from jsonschema import Draft202012Validator

from market_mcp.sandbox.web import Endpoint, Market
from market_mcp.sandbox.world import KEYS, SESSION, World
from sandbox.hands import NOBODY, PACE, Json, ManualClock

pytestmark = pytest.mark.anyio

Contract = Literal["seed", "current"]
VERSIONS: tuple[tuple[str, Contract], ...] = (
    ("polt", "seed"),
    ("agentjob", "seed"),
    ("opentask", "seed"),
    ("opentask", "current"),
)
"""The markets, and the one that differs between its document and today in both."""

ELSEWHERE = {
    ("agentjob", "/api/tasks/"): "agentjob_posts",
    ("agentjob", "/api/chat/"): "agentjob_tasks",
    ("polt", "/api/agents/"): "polt_agents",
}
"""Tables whose name does not follow from the path; others are the market's name and the segment before the id."""

TEXTS = (
    "A text that is long enough for whatever is asked, and short enough.",
    "somebody@example.com",
    "https://example.com/deliveries/1",
    "2030-03-14T10:00:00Z",
    "tasks:read",
    "sandbox",
)
"""Examples of strings; of these the first that a schema allows is taken."""

NASTY: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 2**63, 10**400, 1e308, [], [[]], {}, {"a": {"b": None}}, "", " ", "\0", "%00", "\ud800",
    "' OR 1=1 --", "../../etc/passwd", "\U0001d54f\u202e\u200b", "x" * 100_001, "9" * 5_000, "2026-02-30T25:61:61Z",
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", [None] * 200,
)  # fmt: skip
"""Values that somebody's parser once fell over."""

NASTY_BODIES = (b"", b"{", b"null", b"[]", b'"\\ud800"', b"\xff", b"NaN", b'{"a":NaN}', b"[" * 5_000, b'{"a":1e999}')


@dataclass(frozen=True)
class Square:
    """A world and one market of it, with somebody at its door who is known there in every way there is."""

    world: World
    market: Market
    http: httpx2.AsyncClient

    async def document(self) -> Json:
        found: Json = (await self.http.get(f"/{self.market.name}/openapi.json")).json()
        return found

    async def call(
        self, endpoint: Endpoint, path: str, query: Mapping[str, str], body: object = None
    ) -> httpx2.Response:
        content = None if endpoint.body is None else json.dumps(body).encode()
        return await self.send(endpoint, path, query, content)

    async def send(
        self, endpoint: Endpoint, path: str, query: Mapping[str, str], content: bytes | None
    ) -> httpx2.Response:
        headers = {} if content is None else {"Content-Type": "application/json"}
        url = f"/{self.market.name}{path}"
        return await self.http.request(endpoint.method, url, params=query, content=content, headers=headers)

    def path(self, endpoint: Endpoint) -> str:
        """The endpoint's path with ids of things that are there, where there are any."""

        def fill(match: re.Match[str]) -> str:
            table = ELSEWHERE.get((self.market.name, endpoint.path[: match.start()]))
            segment = endpoint.path[: match.start()].rstrip("/").rpartition("/")[2].replace("-", "_")
            return self._some_id(table or f"{self.market.name}_{segment}", match[1])

        return re.sub(r"\{(\w+)\}", fill, endpoint.path)

    def _some_id(self, table: str, parameter: str) -> str:
        column = "username" if parameter == "username" else "id"
        with self.world.store.transaction() as db:
            found = db.execute(f"SELECT {column} FROM {table} LIMIT 1").fetchone()
        return str(found[0]) if found else NOBODY


@pytest.fixture(params=VERSIONS, ids="-".join)
async def square(request: pytest.FixtureRequest, clock: ManualClock) -> AsyncGenerator[Square]:
    name, contract = cast("tuple[str, Contract]", request.param)
    world = World(None, clock, pace=PACE, contract=contract, rng=random.Random(7))
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=world.app),
        base_url="http://sandbox",
        headers={"Authorization": f"Bearer {KEYS[name]}", "Cookie": f"session={SESSION}"},
    ) as http:
        yield Square(world, world.markets[name], http)
    world.close()


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Method, path and description of every call in a document."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def schemas(document: Json) -> Iterator[Json]:
    """Every schema that a document gives."""
    yield from document["components"]["schemas"].values()
    for _, _, operation in operations(document):
        yield from (parameter["schema"] for parameter in operation["parameters"])
        yield from (media["schema"] for media in operation.get("requestBody", {}).get("content", {}).values())
        for response in operation["responses"].values():
            yield from (media["schema"] for media in response.get("content", {}).values())


def references(value: object) -> Iterator[str]:
    """Every `$ref` inside a JSON value."""
    if isinstance(value, dict):
        found = cast("dict[str, object]", value)
        if isinstance(found.get("$ref"), str):
            yield str(found["$ref"])
        for inner in found.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in cast("list[object]", value):
            yield from references(inner)


def example(schema: Json, document: Json, *, whole: bool) -> Any:
    """A value that a schema of a document allows; `whole` with everything that may be left out."""
    if "$ref" in schema:
        return example(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document, whole=whole)
    if "const" in schema or "enum" in schema:
        return schema.get("const", next(iter(schema.get("enum", [])), None))
    if "anyOf" in schema:
        return example(schema["anyOf"][0], document, whole=whole)
    match schema.get("type"):
        case "object":
            inner = schema.get("properties", {})
            names = inner if whole else schema.get("required", [])
            return {name: example(inner[name], document, whole=whole) for name in names}
        case "array":
            return [example(schema["items"], document, whole=whole)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case _:
            allowed = Draft202012Validator(schema)
            return next((text for text in TEXTS if allowed.is_valid(text)), TEXTS[0][: schema.get("maxLength", 1)])  # pyright: ignore[reportUnknownMemberType]


def body_schema(operation: Json) -> Json | None:
    body = operation.get("requestBody")
    return None if body is None else body["content"]["application/json"]["schema"]


# --- the documents ------------------------------------------------------------------------------------------


async def test_the_document_has_the_structure_of_openapi_3_1(square: Square) -> None:
    document = await square.document()
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert document["info"]["title"]
    assert document["info"]["version"]
    assert all(server["url"] for server in document["servers"])
    assert all(path.startswith("/") for path in document["paths"])
    known = set(document["components"]["securitySchemes"])
    for method, path, operation in operations(document):
        assert method in {"get", "post", "patch", "delete"}
        assert {scheme for need in operation["security"] for scheme in need} <= known
        assert operation["responses"]
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[2-5]\d\d", status)
            assert response["description"]
        parameters = [(parameter["in"], parameter["name"]) for parameter in operation["parameters"]]
        assert len(parameters) == len(set(parameters))
        assert {where for where, _ in parameters} <= {"path", "query"}
        assert {n for where, n in parameters if where == "path"} == set(re.findall(r"\{(\w+)\}", path))
        assert all(parameter["required"] for parameter in operation["parameters"] if parameter["in"] == "path")
        assert method != "get" or "requestBody" not in operation


async def test_every_call_has_an_id_of_its_own(square: Square) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(await square.document())]
    assert len(ids) == len(set(ids))


async def test_every_schema_is_one_and_every_reference_leads_somewhere(square: Square) -> None:
    document = await square.document()
    for schema in schemas(document):
        Draft202012Validator.check_schema(schema)
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= known


# --- what is documented is so -------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [False, True])
async def test_every_documented_call_answers_an_example_as_documented(square: Square, whole: bool) -> None:
    document = await square.document()
    well = 0
    for endpoint in square.market.endpoints:
        operation = document["paths"][endpoint.path][endpoint.method.lower()]
        schema = body_schema(operation)
        body = None if schema is None else example(schema, document, whole=whole)
        if endpoint.body is not None:
            endpoint.body.model_validate(body)
        # A value of zero seconds to wait, and of page 1.
        query = {
            parameter["name"]: str(example(parameter["schema"], document, whole=False))
            for parameter in operation["parameters"]
            if parameter["in"] == "query" and parameter["name"] in {"wait", "page", "limit"}
        }
        answer = await square.call(endpoint, square.path(endpoint), query, body)
        assert str(answer.status_code) in operation["responses"], f"{endpoint.method} {endpoint.path}: {answer.text}"
        if answer.is_error:
            assert set(answer.json()) == {"error"}
        well += answer.is_success
    assert well > len(square.market.endpoints) / 3


async def test_a_stranger_is_refused_where_the_document_asks_for_a_key_or_session(square: Square) -> None:
    document = await square.document()
    square.http.headers.clear()
    for endpoint in square.market.endpoints:
        operation = document["paths"][endpoint.path][endpoint.method.lower()]
        answer = await square.send(endpoint, square.path(endpoint), {"wait": "0"}, b"{}" if endpoint.body else None)
        assert str(answer.status_code) in operation["responses"]
        if operation["security"]:
            assert (answer.status_code, answer.json()) == (401, {"error": "Unauthorized"})


async def test_each_way_in_opens_exactly_what_the_document_says(square: Square) -> None:
    document = await square.document()
    ways = {"key": {"Authorization": f"Bearer {KEYS[square.market.name]}"}, "session": {"Cookie": f"session={SESSION}"}}
    for way, headers in ways.items():
        square.http.headers.clear()
        square.http.headers.update(headers)
        for endpoint in square.market.endpoints:
            security = document["paths"][endpoint.path][endpoint.method.lower()]["security"]
            answer = await square.send(endpoint, square.path(endpoint), {"wait": "0"}, b"{}" if endpoint.body else None)
            opened = answer.json() != {"error": "Unauthorized"} if answer.content else True
            assert opened == (not security or {way: []} in security), f"{way}: {endpoint.method} {endpoint.path}"


async def test_a_query_without_a_value_is_taken_where_the_document_allows_it(square: Square) -> None:
    document = await square.document()
    for endpoint in square.market.endpoints:
        operation = document["paths"][endpoint.path][endpoint.method.lower()]
        for parameter in operation["parameters"]:
            if parameter["in"] == "query" and parameter["name"] != "wait":
                answer = await square.call(endpoint, square.path(endpoint), {parameter["name"]: ""})
                empty_fits = Draft202012Validator(parameter["schema"]).is_valid("")  # pyright: ignore[reportUnknownMemberType]
                allowed = bool(parameter.get("allowEmptyValue")) or empty_fits
                assert (answer.status_code != 400) == allowed, f"{endpoint.method} {endpoint.path} {parameter['name']}"


async def test_a_time_is_described_as_one(square: Square) -> None:
    for schema in schemas(await square.document()):
        for name, inner in schema.get("properties", {}).items():
            if name in {"deadline", "expectedTaskUpdatedAt"}:
                assert "date-time" in [way.get("format") for way in inner.get("anyOf", [inner])], name


async def test_no_call_falls_over_a_nasty_value_wherever_it_stands(square: Square) -> None:
    document = await square.document()
    for endpoint in square.market.endpoints:
        operation = document["paths"][endpoint.path][endpoint.method.lower()]
        schema, path = body_schema(operation), square.path(endpoint)
        good: Json | None = None if schema is None else example(schema, document, whole=False)
        for query, body in trials(operation, schema, good):
            answer = await square.call(endpoint, path, {"wait": "0"} | query, body)
            assert answer.status_code < 500, f"{endpoint.method} {endpoint.path} {query} {str(body)[:200]}"
    # Had a call taken the key away, the later ones would have been sent for nothing.
    for endpoint in square.market.endpoints:
        if endpoint.auth == "key":
            assert (await square.call(endpoint, square.path(endpoint), {"wait": "0"})).status_code != 401


def trials(operation: Json, schema: Json | None, good: Json | None) -> Iterator[tuple[dict[str, str], Json | None]]:
    """Queries and bodies of one call, in each of which one value is nasty."""
    names: list[str] = [] if schema is None else list(schema["properties"])
    for name in names:
        for value in NASTY:
            yield {}, {**(good or {}), name: value}
    for parameter in operation["parameters"]:
        for value in NASTY:
            # What waits without a value waits indeed; and half a surrogate pair has no place in a URL.
            sayable = isinstance(value, str) and value != "\ud800" and (parameter["name"], value) != ("wait", "")
            if parameter["in"] == "query" and sayable:
                yield {parameter["name"]: str(value)[:2_000]}, good


async def test_no_call_falls_over_a_nasty_id_or_body(square: Square) -> None:
    for endpoint in square.market.endpoints:
        for value in ("%00", "%ED%A0%80", "..%2F..", "x" * 5_000, "%F0%9F%A6%80", "'%20OR%201=1", "%25s", "-1"):
            path = re.sub(r"\{\w+\}", value, endpoint.path)
            answer = await square.send(endpoint, path, {"wait": "0"}, b"{}" if endpoint.body else None)
            assert answer.status_code < 500, f"{endpoint.method} {path}"
        for content in NASTY_BODIES:
            answer = await square.send(endpoint, square.path(endpoint), {"wait": "0"}, content)
            assert answer.status_code < 500, f"{endpoint.method} {endpoint.path} {content[:50]!r}"
