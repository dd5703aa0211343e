"""Every list ends, wherever its cursors lead, and what was given out is found again in a page that has moved."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from market_mcp.services.merging import REMEMBERED, Position, Share
from market_mcp.services.paging import START, Walk


def page(items: Sequence[str], following: str | None, unreadable: int = 0) -> dict[str, Any]:
    return {"items": [{"id": item} for item in items], "next": following, "unreadable": unreadable}


@given(lead=st.integers(0, 40), round_trip=st.integers(1, 40), moves=st.booleans())
def test_a_circle_of_cursors_or_of_pages_ends_after_a_few_rounds(lead: int, round_trip: int, moves: bool) -> None:
    def at(number: int) -> int:
        return number if number < lead else lead + (number - lead) % round_trip

    walk, asked = START, None
    for number in count():
        # Either the cursors go round and the pages differ, or the other way about.
        here = page([f"i{number if moves else at(number)}"], f"c{at(number) if moves else number}")
        if walk.end(here, asked):
            break
        walk, asked = walk.after(here), here["next"]
        assert number <= 4 * (lead + round_trip)


@given(st.integers(1, 300))
def test_a_list_whose_pages_differ_goes_on_to_its_end(pages: int) -> None:
    walk, asked = START, None
    for number in range(pages):
        here = page([f"i{number}"], f"c{number}" if number + 1 < pages else None)
        assert walk.end(here, asked) == ""
        walk, asked = walk.after(here), here["next"]
    assert walk.pages == pages


def test_a_page_that_cannot_be_read_is_no_empty_page() -> None:
    assert Walk().end(page([], "c", unreadable=2), None) == "" != Walk().end(page([], "c"), None)


ITEMS = st.lists(st.integers(0, 10_000).map(str), min_size=1, max_size=30, unique=True)


@given(items=ITEMS, taken=st.integers(0, 30), put_in=st.integers(0, 12), taken_out=st.integers(0, 12))
def test_where_a_page_moved_meanwhile_nothing_is_given_twice_or_left_out(
    items: list[str], taken: int, put_in: int, taken_out: int
) -> None:
    before = page(items, None)["items"]
    taken = min(taken, len(before))
    place = Share("polt", before, Position(), "2").after(taken)
    assert place is not None
    # Others are put in at the top, and taken out of what was given already, but for what was given last.
    kept = before[min(taken_out, max(0, taken - REMEMBERED)) :]
    now = [*({"id": f"new {n}"} for n in range(put_in)), *kept]
    if taken and taken < len(before):
        assert now[place.start(now) :] == before[taken:]


@given(items=ITEMS, put_in=st.integers(0, 30))
def test_the_next_page_begins_after_what_the_page_before_pushed_onto_it(items: list[str], put_in: int) -> None:
    size = len(items)
    whole = [{"id": item} for item in [*items, *(f"later {n}" for n in range(size))]]
    place = Share("polt", whole[:size], Position(), "2").after(size)
    assert place is not None
    pushed = min(put_in, size)
    second = [*({"id": f"new {n}"} for n in range(pushed)), *whole][size : 2 * size]
    assert second[place.start(second) :] == whole[size : 2 * size - pushed]
