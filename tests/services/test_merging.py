"""Many markets' pages become one list: nothing twice, nothing lost, nobody crowded out."""

import base64
import contextlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_mcp.actions import TOOLSETS, ListAction
from market_mcp.actions.base import LONGEST_CURSOR
from market_mcp.actions.board import ListPosts
from market_mcp.actions.work import ListTasks
from market_mcp.errors import BadCall
from market_mcp.markets import MARKETS, Row
from market_mcp.markets.filters import local_of, upstream_query
from market_mcp.services.merging import (
    EXCERPT,
    FILTERS,
    READ_WHOLE,
    SORTS,
    Position,
    Share,
    deal,
    decode_cursor,
    encode_cursor,
    excerpt,
    followable,
    narrow,
    unsupported,
)
from market_mcp.services.paging import Walk
from market_mcp.text.truncate import ROOM, compact

Item = Mapping[str, Any]


def row(kind: str, action: ListTasks | ListPosts) -> Row:
    found = MARKETS[kind].row(type(action), [])
    assert found is not None
    return found


def items(market: str, count: int) -> list[dict[str, str]]:
    return [{"id": f"{market}:{i}"} for i in range(count)]


def placed(positions: Mapping[str, Position]) -> dict[str, tuple[str | None, int]]:
    return {market: (place.cursor, place.given) for market, place in positions.items()}


def ids(found: Sequence[Item]) -> list[str]:
    return [item["id"] for item in found]


class Pages:
    """A market whose list has pages of these sizes."""

    def __init__(self, market: str, sizes: Sequence[int]) -> None:
        self.market = market
        whole = items(market, sum(sizes))
        starts = [sum(sizes[:i]) for i in range(len(sizes))]
        self.pages = [whole[start : start + size] for start, size in zip(starts, sizes, strict=True)]

    def share(self, position: Position) -> Share:
        at = int(position.cursor or 0)
        following = str(at + 1) if at + 1 < len(self.pages) else None
        return Share(self.market, self.pages[at][position.given :], position, following)


SIZES = st.lists(st.integers(0, 5), min_size=1, max_size=4)


@given(st.lists(SIZES, min_size=1, max_size=3), st.integers(1, 7), st.sampled_from([0, 50, ROOM]))
def test_following_the_cursor_gives_every_item_of_every_market_once(
    sizes: list[list[int]], limit: int, room: int
) -> None:
    markets = [Pages(f"m{i}", each) for i, each in enumerate(sizes)]
    action = ListTasks(limit=limit)
    given_out: list[str] = []
    positions = {each.market: Position() for each in markets}
    for _ in range(100):
        found, following = deal([m.share(positions[m.market]) for m in markets if m.market in positions], limit, room)
        assert len(found) <= limit
        given_out += ids(found)
        cursor = encode_cursor(action, following)
        if cursor is None:
            break
        positions = decode_cursor(ListTasks(limit=limit, cursor=cursor)) or {}
    everything = [item["id"] for market in markets for page in market.pages for item in page]
    assert sorted(given_out) == sorted(everything)


def test_a_busy_market_hides_no_quiet_one() -> None:
    shares = [Share("busy", items("busy", 50), Position(), "2"), Share("quiet", items("quiet", 2), Position(), None)]
    found, following = deal(shares, 6)
    assert ids(found) == ["busy:0", "quiet:0", "busy:1", "quiet:1", "busy:2", "busy:3"]
    assert placed(following) == {"busy": (None, 4)}


def priced(market: str, *pays: tuple[int, str]) -> list[Item]:
    tasks = [{"id": f"{market}:{n}", "pay": {"amount": str(n), "currency": unit}} for n, unit in pays]
    return sorted(tasks, key=SORTS["payout"])


def test_a_list_in_order_is_in_order_over_all_markets_with_each_currency_by_itself() -> None:
    busy = priced("busy", (900, "USDC"), (420, "USDC"), (300, "USDC"), (2, "ETH"))
    quiet = priced("quiet", (650, "USDC"), (7, "ETH"))
    shares = [Share("busy", busy, Position(), "2"), Share("quiet", quiet, Position(), None)]
    found, following = deal(shares, 5, key=SORTS["payout"])
    assert ids(found) == ["quiet:7", "busy:2", "busy:900", "quiet:650", "busy:420"]
    assert placed(following) == {"busy": (None, 3)}


PAYS = st.lists(st.tuples(st.integers(1, 999), st.sampled_from(["ETH", "USDC"])), max_size=8, unique=True)


@given(st.lists(PAYS, min_size=1, max_size=3), st.integers(1, 7))
def test_following_the_cursor_of_an_ordered_list_gives_every_item_once_and_in_order(
    pays: list[list[tuple[int, str]]], limit: int
) -> None:
    wholes = {f"m{i}": priced(f"m{i}", *each) for i, each in enumerate(pays)}
    positions = {market: Position() for market in wholes}
    found: list[Item] = []
    while positions:
        shares = [Share(name, wholes[name][place.given :], place, None) for name, place in positions.items()]
        page, positions = deal(shares, limit, key=SORTS["payout"])
        found += page
    assert sorted(ids(found)) == sorted(item["id"] for whole in wholes.values() for item in whole)
    assert found == sorted(found, key=SORTS["payout"])


def test_what_there_is_no_room_for_stays_for_the_next_page() -> None:
    long = [{"id": f"polt:{i}", "body": "x" * 200} for i in range(50)]
    found, following = deal([Share("polt", long, Position("3", 5), "4")], 50, room=2_000)
    assert len(compact(found)) <= 2_001
    assert 5 < len(found) < 10
    assert placed(following) == {"polt": ("3", 5 + len(found))}


def test_one_item_is_given_however_large_it_is() -> None:
    found, following = deal([Share("polt", [{"id": "polt:1", "tasks": ["x" * 90_000]}], Position(), None)], 20)
    assert ids(found) == ["polt:1"]
    assert following == {}


def test_nothing_to_deal_is_an_empty_list_that_has_ended() -> None:
    assert deal([], 20) == ([], {})
    assert deal([Share("polt", [], Position(), None)], 20) == ([], {})


def test_a_page_of_which_nothing_fits_the_filters_still_leads_on() -> None:
    assert deal([Share("polt", [], Position(), "2")], 20) == ([], {"polt": Position("2")})


POSITIONS = st.dictionaries(
    st.text(max_size=8),
    st.builds(
        Position,
        st.one_of(st.none(), st.text(max_size=20)),
        st.integers(0, 99),
        st.lists(st.text(max_size=8), max_size=4).map(tuple),
        st.builds(Walk, st.integers(0, 99), st.text(max_size=8), st.text(max_size=8)),
    ),
    min_size=1,
    max_size=3,
)


@given(POSITIONS)
def test_a_cursor_says_again_what_was_put_into_it(positions: dict[str, Position]) -> None:
    action = ListTasks(query="python")
    cursor = encode_cursor(action, positions)
    assert cursor is not None
    assert decode_cursor(ListTasks(query="python", cursor=cursor)) == positions


def test_the_end_of_every_list_has_no_cursor() -> None:
    assert encode_cursor(ListTasks(), {}) is None


@given(POSITIONS.map(lambda some: {name: Position((place.cursor or "") * 400) for name, place in some.items()}))
def test_what_can_be_passed_back_fits_the_argument_and_no_more_is_left_out_than_must_be(
    positions: dict[str, Position],
) -> None:
    kept = followable(ListTasks(), positions)
    assert kept.items() <= positions.items()
    cursor = encode_cursor(ListTasks(), kept)
    assert ListTasks(cursor=cursor).cursor == cursor
    lost = [len(place.cursor or "") for name, place in positions.items() if name not in kept]
    if lost:
        assert min(lost) >= max((len(place.cursor or "") for place in kept.values()), default=0)
        everything = encode_cursor(ListTasks(), positions)
        assert everything is not None and len(everything) > LONGEST_CURSOR


def test_without_a_cursor_there_are_no_positions() -> None:
    assert decode_cursor(ListTasks()) is None


@pytest.mark.parametrize("other", [ListTasks(query="rust"), ListTasks(sort="payout"), ListPosts(query="python")])
def test_a_cursor_is_good_for_its_own_filters_only(other: ListTasks | ListPosts) -> None:
    cursor = encode_cursor(ListTasks(query="python"), {"polt": Position("2")})
    with pytest.raises(BadCall, match="other filters"):
        decode_cursor(other.model_copy(update={"cursor": cursor}))


def test_a_cursor_is_good_for_another_limit() -> None:
    cursor = encode_cursor(ListTasks(limit=5), {"polt": Position("2", 5)})
    assert decode_cursor(ListTasks(limit=9, cursor=cursor)) == {"polt": Position("2", 5)}


def encoded(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def forged(positions: object) -> str:
    """A cursor that is right but for its positions."""
    genuine = encode_cursor(ListTasks(), {"polt": Position()}) or ""
    fingerprint, _ = json.loads(base64.urlsafe_b64decode(genuine + "=" * (-len(genuine) % 4)))
    return encoded([fingerprint, positions])


def test_a_cursor_can_be_forged_so_that_its_positions_are_looked_at() -> None:
    assert decode_cursor(ListTasks(cursor=forged({"polt": ["2", 7, [], [0, "", ""]]}))) == {"polt": Position("2", 7)}


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "%%%",
        "not a cursor",
        "ünïcode",
        "A",
        "AAAA",
        encoded(None),
        encoded([]),
        encoded("ab"),
        encoded(["x", {"polt": ["2", 0]}]),
        encoded([None, {"polt": ["2", 0]}]),
        forged("y"),
        forged(None),
        forged({"polt": None}),
        forged({"polt": ["2"]}),
        forged({"polt": ["2", 1, 1]}),
        forged({"polt": ["2", "3"]}),
        forged({"polt": ["2", -1]}),
        forged({"polt": ["2", 1.5]}),
        forged({"polt": ["2", float("inf")]}),
        forged({"polt": ["2", float("nan")]}),
        forged({"polt": [7, 0]}),
        forged({"polt": [["2"], 0]}),
        forged({"polt": ["\ud800", 0]}),
        base64.urlsafe_b64encode(b"[" * 3_000).decode(),
        base64.urlsafe_b64encode(b"\xff\xfe\x00").decode(),
    ],
)
def test_a_cursor_that_is_not_ours_is_refused_with_what_to_do(cursor: str) -> None:
    with pytest.raises(BadCall) as caught:
        decode_cursor(ListTasks(cursor=cursor))
    assert "leave" in caught.value.next


@given(st.text(max_size=60))
def test_no_text_as_a_cursor_brings_anything_but_positions_or_a_refusal(cursor: str) -> None:
    with contextlib.suppress(BadCall):
        decode_cursor(ListTasks().model_copy(update={"cursor": cursor}))


TASKS: list[Item] = [
    {"id": "polt:1", "title": "Parse logs", "description": "In PYTHON", "pay": {"amount": "50", "currency": "USDC"}},
    {"id": "polt:2", "title": "Python port", "pay": {"amount": "0.5", "currency": "ETH"}, "deadline": "2026-03-20"},
    {"id": "polt:3", "title": "Write docs", "pay": {"text": "negotiable"}, "deadline": "2026-03-14T12:00:00+02:00"},
    {"id": "polt:4", "title": "Test python", "pay": {"amount": "450", "currency": "USDC"}, "deadline": "someday"},
    {"id": "polt:5", "title": "Draw a map", "deadline": "2026-03-14T11:00:00.000Z"},
]


def narrowed(action: ListTasks) -> list[str]:
    return ids(narrow(row("polt", action), action, TASKS))


@pytest.mark.parametrize(
    ("action", "left"),
    [
        (ListTasks(), "12345"),
        (ListTasks(query="python"), "124"),
        (ListTasks(query="PYTHON parse"), "1"),
        (ListTasks(currency="usdc"), "14"),
        (ListTasks(currency="USDC", min_pay=Decimal("50")), "14"),
        (ListTasks(currency="USDC", min_pay=Decimal("50.01")), "4"),
        (ListTasks(currency="ETH", min_pay=Decimal("0.5")), "2"),
        (ListTasks(currency="EUR"), ""),
        (ListTasks(due_before="2026-03-15"), "35"),
        (ListTasks(due_before="2026-03-14T10:30:00Z"), "3"),
        (ListTasks(due_before="2026-03-14T12:30:00+02:00"), "3"),
        # What a market has sorted is sorted again, so that the pages of several become one.
        (ListTasks(query="python", sort="payout"), "241"),
    ],
)
def test_what_a_market_does_not_filter_is_filtered_here(action: ListTasks, left: str) -> None:
    assert narrowed(action) == [f"polt:{i}" for i in left]


def test_a_minimum_without_its_currency_is_refused_even_where_nothing_would_be_left() -> None:
    for tasks in (TASKS, []):
        with pytest.raises(BadCall, match="never converted"):
            narrow(row("polt", ListTasks(min_pay=Decimal("50"))), ListTasks(min_pay=Decimal("50")), tasks)


@pytest.mark.parametrize("word", ["tomorrow", "14.03.2026", "1773446400", "2026-02-30"])
def test_a_due_date_that_is_none_is_refused_instead_of_hiding_or_showing_everything(word: str) -> None:
    with pytest.raises(BadCall, match="due_before"):
        narrowed(ListTasks(due_before=word))


def sorted_here(name: str) -> str:
    return "".join(item["id"][-1] for item in sorted(TASKS, key=SORTS[name]))


def test_sorting_by_pay_puts_the_highest_of_a_currency_first_and_the_unknown_last() -> None:
    assert sorted_here("payout") == "24135"
    bare: Item = {"id": "polt:6", "pay": {"amount": "9000", "text": "9000"}}
    assert ids(sorted([*TASKS, bare], key=SORTS["payout"])) == [f"polt:{i}" for i in "241635"]


def test_sorting_by_deadline_puts_the_soonest_first_whatever_its_zone_and_the_unknown_last() -> None:
    assert sorted_here("deadline") == "35214"


def test_every_filter_that_a_row_leaves_to_us_is_known_here() -> None:
    for market in MARKETS.values():
        for action in (ListTasks, ListPosts):
            found = market.row(action, [])
            if found is not None:
                assert local_of(found) - {"sort"} <= set(FILTERS)


def test_a_filter_that_neither_the_market_nor_we_can_answer_is_named() -> None:
    action = ListPosts(sort="hot", status="voting")
    assert unsupported(row("polt", action), action) == ["sort=hot"]
    assert unsupported(row("agentjob", action), action) == ["status"]
    closed = ListTasks(status="completed")
    assert unsupported(row("opentask", closed), closed) == ["status=completed"]


def test_what_a_market_filters_itself_goes_upstream_in_its_words_and_is_not_filtered_again() -> None:
    action = ListPosts(sort="hot", channel="dev", query="rust")
    assert upstream_query(row("agentjob", action), action) == {"sort": "hot", "channel": "dev"}
    posts = [{"id": "agentjob:1", "title": "Rust"}, {"id": "agentjob:2", "title": "Go"}]
    assert ids(narrow(row("agentjob", action), action, posts)) == ["agentjob:1"]


def test_a_default_that_the_market_has_too_is_left_out_upstream() -> None:
    action = ListTasks(status="any")
    assert "status" not in upstream_query(row("polt", action), action)


def test_long_texts_are_cut_in_lists_and_say_how_long_they_are() -> None:
    item = {"id": "polt:1", "title": "Short", "body": "word " * 100, "votes": 3}
    cut = excerpt(item, "get_post")
    assert cut["id"] == "polt:1"
    assert cut["body"].startswith("word word")
    assert cut["body"].endswith("… [500 characters; get_post has them all]")
    assert len(cut["body"]) < EXCERPT + 60
    assert item["body"] == "word " * 100


def test_an_item_with_short_texts_is_left_alone() -> None:
    item = {"id": "polt:1", "body": "x" * EXCERPT}
    assert excerpt(item, "get_post") is item


def test_texts_are_cut_in_a_list_only_where_a_tool_reads_one_of_its_items_whole() -> None:
    tools = {action.tool_name(): action for actions in TOOLSETS.values() for action in actions}
    lists = {action.noun for action in tools.values() if issubclass(action, ListAction)}
    nouns = {action.noun for action in tools.values() if action.tool_name().startswith("get_")}
    assert {noun for noun in lists if noun.removesuffix("s") in nouns} | {"agents"} == set(READ_WHOLE)
    assert set(READ_WHOLE.values()) <= set(tools)
