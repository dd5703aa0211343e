"""The witness agrees with itself: whole, unambiguous, every row with a source, every gap with a reason."""

import re
from collections import Counter

import pytest

from contract.witness import (
    MARKETS,
    METHODS,
    WitnessCall,
    WitnessError,
    candidates,
    complaints,
    forbidden,
    load,
    load_all,
    load_forbidden,
    load_market,
    match,
    missing_keys,
)
from market_mcp.actions import TOOLSETS

ALL_CALLS = load_all()
ALL_BANS = tuple(ban for market in MARKETS for ban in load_forbidden(market))
BY_NAME = {(call.market, call.name): call for call in ALL_CALLS}

TOOLS_WITHOUT_A_CALL = {"list_markets"}  # it tells what is configured

each_market = pytest.mark.parametrize("market", MARKETS)


def concrete(path: str) -> str:
    return re.sub(r"\{[a-z_]+\}", "0f8c-1", path)


def constants(call: WitnessCall) -> dict[str, object]:
    """The smallest body that tells the call's variant: its constant fields, nested where their names are."""
    body: dict[str, object] = {}
    for spec in call.body:
        if spec.constant is not None:
            *parents, last = spec.name.split(".")
            inner = body
            for parent in parents:
                child: dict[str, object] = {}
                inner[parent] = inner = child
            inner[last] = spec.constant
    return body


# --- the files are whole ----------------------------------------------------------------------------------


def test_polts_eleven_reserved_routes_are_forbidden_and_nothing_else_is() -> None:
    assert Counter(ban.market for ban in ALL_BANS) == {"polt": 11}
    assert len({(ban.method, ban.path) for ban in ALL_BANS}) == 11
    assert all(ban.why and ban.source for ban in ALL_BANS)


@each_market
def test_a_header_says_where_the_market_is_and_how_it_is_spoken_to(market: str) -> None:
    header = load_market(market)
    assert header.name == market
    assert header.base_url.startswith("http") and header.base_url_current.startswith("https://")
    assert header.auth_header == f"Authorization: Bearer {header.key_prefix}…"
    assert header.envelope and header.error_shape and header.document and header.title
    assert header.header_rules and header.rules and header.states and header.unsaid and header.statuses


def test_an_unknown_market_is_an_error() -> None:
    with pytest.raises(WitnessError, match="no witness for 'ebay'"):
        load("ebay")


# --- every row is complete --------------------------------------------------------------------------------


def test_method_path_and_variant_are_unique_within_a_market() -> None:
    assert not [key for key, n in Counter((c.market, c.method, c.path, c.variant) for c in ALL_CALLS).items() if n > 1]


def test_names_are_unique_within_a_market() -> None:
    assert len(BY_NAME) == len(ALL_CALLS)


def test_a_row_uses_the_words_agreed_on() -> None:
    for call in ALL_CALLS:
        assert call.method in METHODS, call
        assert call.auth in {"none", "bearer", "session"}, call
        assert call.status in {"documented", "inferred"}, call
        assert call.content_type in {"none", "application/json"}, call
        assert list(call.statuses) == sorted(set(call.statuses)), call
        assert re.fullmatch(r"[a-z_]+(\.[a-z_]+)*", call.name), call


def test_a_row_names_its_source_in_words_a_public_reader_understands() -> None:
    for call in ALL_CALLS:
        beginnings = {
            "polt": "POLT skill, ",
            "agentjob": "AgentJob API 文档, ",
            "opentask": "OpenTask SKILL.md, ",
        }
        assert call.source.startswith(beginnings[call.market]), call
        assert call.reply, call


def test_what_is_inferred_says_why_and_what_is_documented_does_not() -> None:
    for call in ALL_CALLS:
        assert bool(call.inferred_why) == (call.status == "inferred"), call
        assert not call.body_inferred_why or call.body_kind == "fields", call


def test_a_row_without_a_tool_has_a_reason_and_a_row_with_one_has_none() -> None:
    for call in ALL_CALLS:
        assert bool(call.tools) != bool(call.no_tool_reason), call


def test_rules_reasons_and_differences_are_sentences() -> None:
    for call in ALL_CALLS:
        sentences = (
            *call.rules,
            *call.current,
            call.reply,
            call.inferred_why,
            call.body_inferred_why,
            call.no_tool_reason,
        )
        assert not [text for text in sentences if text and not text.endswith(".")], call


def test_a_path_is_made_of_literals_and_snake_case_ids() -> None:
    for call in ALL_CALLS:
        if not call.path:
            assert call.status == "inferred" and not call.tools, call
            continue
        assert re.fullmatch(r"/api(/([a-z-]+|\{[a-z]+(_[a-z]+)*\}))+", call.path), call
        assert all(p.endswith("_id") or p == "username" for p in re.findall(r"\{(\w+)\}", call.path)), call


def test_a_body_and_its_content_type_go_together() -> None:
    for call in ALL_CALLS:
        assert (call.body_kind == "none") == (call.content_type == "none"), call
        assert call.body_kind == "none" or call.method in {"POST", "PATCH"}, call
        assert (call.body_kind == "fields") == bool(call.body), call


def test_limits_are_given_for_allowed_query_names_and_are_not_crossed() -> None:
    for call in ALL_CALLS:
        assert {limit.name for limit in call.query_limits} <= set(call.query), call
        for spec in (*call.query_limits, *call.body):
            assert spec.min is None or spec.max is None or spec.min <= spec.max, call
            assert spec.min_length is None or spec.max_length is None or spec.min_length <= spec.max_length, call
            assert not spec.enum or spec.default is None or spec.default in spec.enum, call


def test_a_scope_stands_where_opentask_documents_one_and_fits_the_method() -> None:
    for call in ALL_CALLS:
        agent_call = call.market == "opentask" and call.path.startswith("/api/agent/") and call.auth == "bearer"
        assert bool(call.scope) == agent_call, call
        if call.scope:
            kind = "read" if call.method == "GET" else "write"
            assert re.fullmatch(rf"[a-z]+:{kind}", call.scope), call


def test_statuses_come_from_the_markets_table_or_are_successes() -> None:
    for call in ALL_CALLS:
        table = load_market(call.market).statuses
        assert all(code in table or 200 <= code < 300 for code in call.statuses), call
        if call.auth != "none" and 401 in table:
            assert 401 in call.statuses, call
        if 429 in table:
            assert 429 in call.statuses, call
        if 404 in table and "{" in call.path:
            assert 404 in call.statuses, call


# --- tools ------------------------------------------------------------------------------------------------


def test_every_tool_of_a_row_stands_in_the_header() -> None:
    for call in ALL_CALLS:
        offered = {tool for tools in load_market(call.market).tools.values() for tool in tools}
        assert set(call.tools) <= offered, call


@each_market
def test_every_tool_of_a_header_rests_on_a_call(market: str) -> None:
    used = {tool for call in load(market) for tool in call.tools}
    assert {tool for tools in load_market(market).tools.values() for tool in tools} == used


@each_market
def test_a_header_lists_a_tool_under_its_toolset(market: str) -> None:
    for toolset, tools in load_market(market).tools.items():
        assert set(tools) <= {action.tool_name() for action in TOOLSETS[toolset]}
        assert len(tools) == len(set(tools))


def test_every_tool_that_speaks_to_a_market_rests_on_a_call_of_some_market() -> None:
    everything = {action.tool_name() for actions in TOOLSETS.values() for action in actions}
    assert {tool for call in ALL_CALLS for tool in call.tools} == everything - TOOLS_WITHOUT_A_CALL


def test_a_session_call_has_no_tool_because_an_agents_key_cannot_make_it() -> None:
    for call in ALL_CALLS:
        assert call.auth != "session" or not call.tools, call


# --- matching ---------------------------------------------------------------------------------------------


def test_a_concrete_request_finds_its_own_row() -> None:
    for call in ALL_CALLS:
        if call.path:
            assert match(call.market, call.method, concrete(call.path), constants(call)) == call, call


def test_only_rows_that_share_a_route_or_an_action_carry_a_variant() -> None:
    for call in ALL_CALLS:
        shared = [c for c in load(call.market) if (c.method, c.path) == (call.method, call.path)]
        decides = any(spec.constant == call.variant for spec in call.body)
        assert bool(call.variant) == (len(shared) > 1 or decides), call


def test_a_literal_segment_is_preferred_to_an_id() -> None:
    assert match("polt", "GET", "/api/tasks/recent") == BY_NAME["polt", "tasks.recent"]
    assert match("polt", "GET", "/api/tasks/7") == BY_NAME["polt", "tasks.get"]
    assert match("agentjob", "GET", "/api/agents/tasks") == BY_NAME["agentjob", "chat.next_task"]


def test_an_undocumented_request_matches_nothing() -> None:
    assert match("polt", "DELETE", "/api/agents/me") is None
    assert match("opentask", "GET", "/api/agent/bids/1/unknown") is None
    assert match("agentjob", "GET", "") is None
    assert match("opentask", "PATCH", "/api/agent/bids/1", {"action": "explode"}) is None


@pytest.mark.parametrize("bad", ["", ".", ".."])
def test_an_empty_or_dotted_segment_is_no_id(bad: str) -> None:
    assert match("polt", "GET", f"/api/tasks/{bad}") is None


def test_variants_are_told_apart_by_the_body_alone() -> None:
    up, down = candidates("polt", "POST", "/api/projects/1/vote")
    assert match("polt", "POST", "/api/projects/1/vote", {"value": 1}) == up
    assert match("polt", "POST", "/api/projects/1/vote", {"value": -1}) == down
    assert match("polt", "POST", "/api/projects/1/vote", {"value": True}) is None
    assert match("polt", "POST", "/api/projects/1/vote") is None


def test_a_forbidden_route_is_found_and_is_no_documented_call() -> None:
    for ban in ALL_BANS:
        path = concrete(ban.path)
        assert forbidden(ban.market, ban.method, path) == ban
        assert candidates(ban.market, ban.method, path) == ()


def test_no_documented_call_is_forbidden() -> None:
    for call in ALL_CALLS:
        assert forbidden(call.market, call.method, concrete(call.path)) is None, call


# --- holding requests and replies against the rows ----------------------------------------------------------

KEY = {"Authorization": "Bearer key"}
JSON = {**KEY, "Content-Type": "application/json"}


def test_a_request_that_keeps_to_its_row_has_no_complaints() -> None:
    commit = BY_NAME["polt", "tasks.commit"]
    assert complaints(commit, query={}, body=None, headers=KEY) == ()
    posts = BY_NAME["agentjob", "posts.list"]
    assert complaints(posts, query={"sort": "hot", "limit": "50"}, body=None, headers={}) == ()
    bid = BY_NAME["opentask", "bids.create"]
    assert complaints(bid, query={}, body={"priceText": "450 USDC", "etaDays": None}, headers=JSON) == ()
    agents = BY_NAME["agentjob", "agents.list"]
    assert complaints(agents, query={"online": "true"}, body=None, headers={}) == ()
    upvote = BY_NAME["agentjob", "mcp.upvote_post"]
    call = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "upvote_post", "arguments": {"post_id": "p"}, "_meta": {"progressToken": 1}},
    }
    assert complaints(upvote, query={}, body=call, headers=JSON) == ()


@pytest.mark.parametrize(
    ("market", "name", "query", "body", "headers", "complaint"),
    [
        ("polt", "tasks.commit", {}, None, JSON, "there is no body, so there must be no Content-Type"),
        ("polt", "tasks.commit", {}, None, {}, "the call needs a bearer key"),
        ("polt", "tasks.commit", {}, {}, JSON, "the call takes no body"),
        ("polt", "tasks.submit", {}, {"submission_content": "x"}, KEY, "a body goes as application/json"),
        ("polt", "tasks.submit", {}, None, KEY, "body submission_content is missing"),
        ("polt", "tasks.submit", {}, ["x"], JSON, "the body must be an object"),
        (
            "polt",
            "tasks.submit",
            {},
            {"submission_content": 3},
            JSON,
            "body submission_content must be string",
        ),
        ("polt", "projects.vote_up", {}, {"value": 2}, JSON, "body value must be one of [1]"),
        ("polt", "projects.vote_up", {}, {"value": True}, JSON, "body value must be integer"),
        (
            "polt",
            "tasks.list",
            {"sort": "old"},
            None,
            {},
            "query sort must be one of ['new', 'payout', 'deadline']",
        ),
        ("polt", "tasks.list", {"q": "x"}, None, {}, "query q is not documented"),
        ("polt", "tasks.list", {"page": "0"}, None, {}, "query page is below 1"),
        ("agentjob", "posts.list", {"limit": "51"}, None, {}, "query limit is above 50"),
        ("agentjob", "posts.list", {"limit": "many"}, None, {}, "query limit must be integer"),
        ("agentjob", "posts.reply", {}, {"body": ""}, JSON, "body body is shorter than 1"),
        ("agentjob", "posts.reply", {}, {"body": "x" * 10001}, JSON, "body body is longer than 10000"),
        ("opentask", "comments.create", {}, {"body": None}, JSON, "body body must not be null"),
        ("opentask", "comments.create", {}, {"body": "x", "as": "y"}, JSON, "body as is not documented"),
    ],
)
def test_a_request_that_departs_from_its_row_is_complained_of(
    market: str, name: str, query: dict[str, str], body: object, headers: dict[str, str], complaint: str
) -> None:
    assert complaints(BY_NAME[market, name], query=query, body=body, headers=headers) == (complaint,)


def test_the_items_and_numbers_of_a_body_are_held_to_their_limits() -> None:
    create = BY_NAME["opentask", "tasks.create"]
    task = {
        "title": "abc",
        "description": "x" * 10,
        "acceptanceCriteria": ["x" * 501],
        "skillsTags": [1],
        "budgetAmount": 0,
    }
    assert complaints(create, query={}, body=task, headers=JSON) == (
        "body acceptanceCriteria has an item longer than 500",
        "body skillsTags has an item that is not string",
        "body budgetAmount is not above 0",
    )
    register = BY_NAME["opentask", "account.register"]
    account = {"email": "a@b.example", "password": "12345678", "handle": "no-dash"}
    (complaint,) = complaints(register, query={}, body=account, headers=JSON)
    assert complaint.startswith("body handle does not match")


def test_an_undocumented_body_is_not_judged() -> None:
    update = BY_NAME["opentask", "account.update_me"]
    assert complaints(update, query={}, body={"anything": 1}, headers=JSON) == ()


def test_a_reply_lacks_the_documented_keys_that_it_does_not_carry() -> None:
    chat = BY_NAME["agentjob", "chat.next_task"]
    assert missing_keys(chat, {"data": {"task": None}}) == ()
    assert missing_keys(chat, {"data": {}}) == chat.reply_keys
    posts = BY_NAME["agentjob", "posts.list"]
    assert missing_keys(posts, {"data": []}) == ()
    assert missing_keys(posts, {"data": [{"id": "p"}]}) == posts.reply_keys[1:]
    assert missing_keys(posts, {"data": {"id": "p"}}) == posts.reply_keys
    assert missing_keys(posts, "not even an object") == posts.reply_keys
