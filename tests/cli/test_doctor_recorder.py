"""What a decoder did with a reply, as the contract report knows it."""

from collections.abc import Callable
from typing import Any

import pytest

from market_mcp.actions.board import GetPost, ListPosts
from market_mcp.cli.doctor.recorder import Record, RecordedRow
from market_mcp.errors import MalformedReply
from market_mcp.markets import MARKETS, Listing, Row
from market_mcp.markets.reply import Fields


def record_of(decode: Callable[[Fields], Any], reply: object, *alike: Callable[[Fields], Any]) -> Record:
    """What is noted where a single thing is read in this way, and by other rows of its route in these."""
    row = Row(GetPost, "GET /things/{post_id}", decode, "")
    recorded = RecordedRow.of(row, [Row(GetPost, row.route, other, "") for other in alike])
    assert recorded.read(Fields.of(reply, "test"), None) == row.read(Fields.of(reply, "test"), None)
    return recorded.record


def unknown(record: Record) -> list[str]:
    return [f"{odd.where}.{odd.name} {'|'.join(sorted(odd.types))}" for odd in record.unknown()]


def test_a_field_nobody_looks_at_is_unknown_wherever_it_stands() -> None:
    reply: dict[str, object] = {
        "title": "t",
        "a": None,
        "tags": ["x"],
        "owner": {"name": "n", "b": {}},
        "replies": [{"c": 1}, {"c": "1"}],
    }
    found = record_of(lambda f: (f.text("title"), f.person("owner"), f.each("replies", lambda r: r.text("id"))), reply)
    assert unknown(found) == [
        "reply.a null",
        "reply.tags array",
        "reply.owner.b object",
        "reply.replies[].c number|string",
    ]


def test_of_names_that_are_alternatives_one_is_enough() -> None:
    reads = record_of(lambda f: (f.text("title", "name"), f.number("votes", "score"), f.flag("open")), {"name": "n"})
    assert reads.missing() == ["reply.open", "reply.votes|score"]
    assert unknown(reads) == []


def test_what_one_of_many_has_is_not_missing() -> None:
    reply = {"replies": [{"id": "1"}, {"id": "2", "body": "b"}]}
    found = record_of(lambda f: f.each("replies", lambda r: (r.text("body"), r.text("author"))), reply)
    assert found.missing() == ["reply.replies[].author"]


def test_a_wrapper_or_a_mark_that_is_not_there_is_not_missing() -> None:
    assert record_of(lambda f: (f.unwrap("data").unwrap("post"), f.has("readAt"))[1], {"id": "1"}).missing() == []


@pytest.mark.parametrize("empty", [None, "", [], {}])
def test_an_empty_field_is_there_and_of_no_wrong_type(empty: object) -> None:
    found = record_of(lambda f: (f.text("title"), f.each("replies", lambda r: r.text("id"))), {"title": empty})
    assert found.missing() == ["reply.replies"] and found.unfit() == []


def test_a_field_that_is_there_and_cannot_be_read_is_named_with_its_type() -> None:
    reply = {"open": "yes", "votes": "many", "replies": 3}
    found = record_of(lambda f: (f.flag("open"), f.number("votes"), f.each("replies", lambda r: r.text("id"))), reply)
    assert [(odd.name, odd.types) for odd in found.unfit()] == [
        ("open", {"string"}),
        ("votes", {"string"}),
        ("replies", {"number"}),
    ]


def test_what_another_row_of_the_route_looks_at_is_known() -> None:
    reply = {"task": {"id": "1", "pay": 2, "more": 3}}
    found = record_of(lambda f: f.unwrap("task").text("id"), reply, lambda f: f.unwrap("task").number("pay"))
    assert unknown(found) == ["reply.task.more number"]


def test_the_place_that_could_not_be_read_is_kept_and_nothing_that_a_decoder_quotes() -> None:
    def quoting(f: Fields) -> None:
        raise MalformedReply(f"{f.where}.title is “{f.text('title')}”")

    def lacking(f: Fields) -> None:
        f.required_text("name")

    for decode, kept in ((lacking, "reply.name is missing"), (quoting, "at no named place")):
        row = RecordedRow.of(Row(GetPost, "GET /things", decode, ""), [])
        with pytest.raises(MalformedReply):
            row.read(Fields.of({"title": "said by a stranger"}, "test"), None)
        assert row.record.failures == [kept]


def test_of_a_list_the_items_that_cannot_be_read_are_noted_and_its_end_lacks_no_cursor() -> None:
    row = MARKETS["opentask"].rows[ListPosts, ""]
    recorded = RecordedRow.of(row, [])
    page = recorded.read(Fields.of({"tasks": [{"id": "1", "title": "t"}, {"id": "2"}]}, "opentask"), None)
    assert page["unreadable"] == 1 and recorded.record.failures == ["reply.tasks[].title is missing"]
    assert not any("ursor" in missing for missing in recorded.record.missing())


@pytest.mark.parametrize("kind", MARKETS)
def test_every_row_reads_the_same_when_it_is_recorded(kind: str) -> None:
    reply = {"id": "1", "title": "t", "name": "n", "items": [{"id": "1", "title": "t"}, 7], "data": {"id": "2"}}
    for row in MARKETS[kind].rows.values():
        recorded = RecordedRow.of(row, [])
        said: list[object] = []
        for each in (row, recorded):
            try:
                said.append(each.read(Fields.of(reply, kind), None))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is to be the same
                said.append((type(error), str(error)))
        assert said[0] == said[1], row.route


def test_a_list_without_a_wrapper_is_recorded_too() -> None:
    row = RecordedRow.of(Row(ListPosts, "GET /things", lambda f: f.text("id"), "", listing=Listing("things")), [])
    assert row.read(Fields.of([{"id": "1", "new": True}], "test"), None)["items"] == ["1"]
    assert unknown(row.record) == ["reply.items[].new boolean"]
