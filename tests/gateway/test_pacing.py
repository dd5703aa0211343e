"""The same question never goes upstream twice within the interval, and what a feed may cost in it is bounded."""

import anyio
import pytest

from at_the_gate import POSTS, Market, page
from clocks import NOON, ManualClock
from market_mcp.errors import Refused, TooSoon, Unavailable
from market_mcp.gateway.pacing import Held, Pacing, Question
from market_mcp.state.store import State

pytestmark = pytest.mark.anyio


async def test_the_same_question_within_the_interval_is_answered_with_the_held_answer_and_its_age(
    pacing: Pacing, market: Market, clock: ManualClock
) -> None:
    assert await pacing.ask(POSTS, market) == Held(1, "live", NOON, 0, 60)
    clock.skip(25)
    assert await pacing.ask(POSTS, market) == Held(1, "cache", NOON, 25, 35)
    clock.skip(34.9)
    assert (await pacing.ask(POSTS, market)).answer == 1
    assert market.asked == 1


async def test_after_the_interval_it_goes_upstream_again(pacing: Pacing, market: Market, clock: ManualClock) -> None:
    await pacing.ask(POSTS, market)
    clock.skip(60)
    assert await pacing.ask(POSTS, market) == Held(2, "live", NOON + 60, 0, 60)


async def test_the_interval_counts_from_the_answer_since_nobody_knows_when_a_slow_request_arrived(
    pacing: Pacing, market: Market, clock: ManualClock
) -> None:
    market.takes = 8
    async with anyio.create_task_group() as group:
        group.start_soon(pacing.ask, POSTS, market)
        await clock.advance(8)
    market.takes = 0
    clock.skip(59)
    assert (await pacing.ask(POSTS, market)).source == "cache"
    clock.skip(1)
    assert (await pacing.ask(POSTS, market)).source == "live"


async def test_the_interval_is_the_one_that_was_set(state: State, market: Market, clock: ManualClock) -> None:
    pacing = Pacing(state, clock, interval=300)
    await pacing.ask(POSTS, market)
    clock.skip(299)
    assert (await pacing.ask(POSTS, market)).next_in == 1
    clock.skip(1)
    assert (await pacing.ask(POSTS, market)).source == "live"


async def test_other_accounts_have_their_own_answers_and_intervals(pacing: Pacing, market: Market) -> None:
    assert (await pacing.ask(page(1, "one"), market)).answer == 1
    assert (await pacing.ask(page(1, "two"), market)).answer == 2


async def test_any_json_value_is_held_as_it_is(pacing: Pacing, clock: ManualClock) -> None:
    for number, value in enumerate([None, "", 0, False, [], {"a": ["é\ud800"]}]):

        async def fetch(value: object = value) -> object:
            return value

        question = page(number, topic=f"posts/{number}")
        assert (await pacing.ask(question, fetch)).answer == value
        assert (await pacing.ask(question, fetch)) == Held(value, "cache", clock.now(), 0, 60)


# The budget


async def test_a_feed_answers_its_first_question_and_as_many_more_as_the_budget_allows(
    pacing: Pacing, market: Market, clock: ManualClock
) -> None:
    for number in range(4):
        await pacing.ask(page(number), market)
        clock.skip(10)
    with pytest.raises(TooSoon) as caught:
        await pacing.ask(page(9), market)
    assert "4 different questions" in caught.value.message
    assert caught.value.retry_after_seconds == pytest.approx(60 - 40, abs=1)
    assert market.asked == 4


async def test_the_oldest_question_makes_room_first(pacing: Pacing, market: Market, clock: ManualClock) -> None:
    for number in range(4):
        await pacing.ask(page(number), market)
        clock.skip(10)
    clock.skip(20)
    assert (await pacing.ask(page(9), market)).answer == 5
    with pytest.raises(TooSoon) as caught:
        await pacing.ask(page(10), market)
    assert caught.value.retry_after_seconds == pytest.approx(10, abs=1)


async def test_held_answers_cost_no_budget(pacing: Pacing, market: Market) -> None:
    for number in (0, 0, 1, 0, 1, 1, 2, 2, 3, 0, 3):
        await pacing.ask(page(number), market)
    assert market.asked == 4


async def test_where_the_budget_is_spent_an_old_answer_is_better_than_none_and_says_how_old_it_is(
    pacing: Pacing, market: Market, clock: ManualClock
) -> None:
    await pacing.ask(POSTS, market)
    clock.skip(100)
    for number in range(4):
        await pacing.ask(page(number), market)
    assert await pacing.ask(POSTS, market) == Held(1, "cache", NOON, 100, 60)


async def test_with_no_budget_a_feed_answers_one_question(state: State, market: Market, clock: ManualClock) -> None:
    strict = Pacing(state, clock, budget=0)
    await strict.ask(page(1), market)
    with pytest.raises(TooSoon):
        await strict.ask(page(2), market)
    clock.skip(60)
    assert (await strict.ask(page(2), market)).answer == 2


async def test_other_topics_and_accounts_have_budgets_of_their_own(
    state: State, market: Market, clock: ManualClock
) -> None:
    strict = Pacing(state, clock, budget=0)
    for question in (page(1), page(1, topic="tasks"), page(1, "opentask")):
        await strict.ask(question, market)
    assert market.asked == 3


async def test_a_process_with_less_budget_waits_until_the_others_fit_into_it(
    pacing: Pacing, other_state: State, market: Market, clock: ManualClock
) -> None:
    strict = Pacing(other_state, clock, budget=0)
    for number in range(3):
        await pacing.ask(page(number), market)
        clock.skip(10)
    with pytest.raises(TooSoon) as caught:
        await strict.ask(page(9), market)
    assert caught.value.retry_after_seconds == pytest.approx(50, abs=1)
    clock.skip(50)
    assert (await strict.ask(page(9), market)).source == "live"


# Writes of our own


async def test_an_own_write_makes_one_fresh_look_due(pacing: Pacing, market: Market, clock: ManualClock) -> None:
    await pacing.ask(POSTS, market)
    pacing.out_of_date("agentjob", ("posts", "posts/7"))
    clock.skip(1)
    assert await pacing.ask(POSTS, market) == Held(2, "live", NOON + 1, 0, 60)
    assert (await pacing.ask(POSTS, market)).source == "cache"
    assert market.asked == 2


async def test_fresh_looks_come_out_of_the_budget_and_then_the_held_answer_says_that_it_is_stale(
    pacing: Pacing, market: Market, clock: ManualClock
) -> None:
    for _ in range(6):
        held = await pacing.ask(POSTS, market)
        pacing.out_of_date("agentjob", ("posts",))
    assert market.asked == 4
    clock.skip(20)
    held = await pacing.ask(POSTS, market)
    assert (held.answer, held.stale, held.next_in) == (4, True, 40)


async def test_with_no_budget_not_even_an_own_write_brings_a_second_look(
    state: State, market: Market, clock: ManualClock
) -> None:
    strict = Pacing(state, clock, budget=0)
    await strict.ask(POSTS, market)
    strict.out_of_date("agentjob", ("posts",))
    assert (await strict.ask(POSTS, market)).stale
    assert market.asked == 1


async def test_a_write_leaves_other_topics_and_accounts_alone(pacing: Pacing, market: Market) -> None:
    await pacing.ask(page(1, topic="tasks"), market)
    await pacing.ask(page(1, "opentask"), market)
    pacing.out_of_date("agentjob", ("posts",))
    assert (await pacing.ask(page(1, topic="tasks"), market)).source == "cache"
    assert (await pacing.ask(page(1, "opentask"), market)).source == "cache"


async def test_an_answer_that_was_asked_for_before_a_write_does_not_count_as_showing_it(
    pacing: Pacing, market: Market, clock: ManualClock
) -> None:
    market.takes = 5
    async with anyio.create_task_group() as group:
        group.start_soon(pacing.ask, POSTS, market)
        await clock.advance(1)
        pacing.out_of_date("agentjob", ("posts",))
        await clock.advance(4)
    market.takes = 0
    assert (await pacing.ask(POSTS, market)).answer == 2


async def test_a_slow_answer_from_before_a_write_does_not_replace_the_one_from_after_it(
    pacing: Pacing, market: Market, clock: ManualClock
) -> None:
    market.takes = 5
    async with anyio.create_task_group() as group:
        group.start_soon(pacing.ask, POSTS, market)
        await clock.advance(1)
        pacing.out_of_date("agentjob", ("posts",))
        market.takes = 0
        assert (await pacing.ask(POSTS, market)).answer == 2
        await clock.advance(5)
    held = await pacing.ask(POSTS, market)
    assert (held.answer, held.stale) == (2, False)


# Failures


async def test_a_failed_try_holds_the_slot_and_says_why(pacing: Pacing, market: Market, clock: ManualClock) -> None:
    market.failure = Unavailable("AgentJob broke.")
    with pytest.raises(Unavailable):
        await pacing.ask(POSTS, market)
    clock.skip(20)
    with pytest.raises(TooSoon, match="20 s ago, failed: AgentJob broke") as caught:
        await pacing.ask(POSTS, market)
    assert caught.value.retry_after_seconds == pytest.approx(40, abs=1)
    clock.skip(40)
    market.failure = None
    assert (await pacing.ask(POSTS, market)).answer == 2


async def test_after_a_failed_try_the_older_answer_comes_back_with_its_true_age_and_the_reason(
    pacing: Pacing, market: Market, clock: ManualClock
) -> None:
    await pacing.ask(POSTS, market)
    clock.skip(100)
    market.failure = Refused("AgentJob refused (HTTP 500).", status=500)
    with pytest.raises(Refused):
        await pacing.ask(POSTS, market)
    clock.skip(20)
    assert await pacing.ask(POSTS, market) == Held(1, "cache", NOON, 120, 40, note="AgentJob refused (HTTP 500).")
    market.failure = None
    clock.skip(40)
    assert (await pacing.ask(POSTS, market)).answer == 3
    assert await pacing.ask(POSTS, market) == Held(3, "cache", NOON + 160, 0, 60)


async def test_a_try_that_breaks_in_an_unforeseen_way_holds_the_slot_too(pacing: Pacing, market: Market) -> None:
    market.failure = RuntimeError("a bug of ours")
    with pytest.raises(RuntimeError):
        await pacing.ask(POSTS, market)
    with pytest.raises(TooSoon, match="broken off") as caught:
        await pacing.ask(POSTS, market)
    assert "a bug of ours" not in caught.value.message


async def test_a_call_that_is_cancelled_in_flight_holds_the_slot(
    pacing: Pacing, market: Market, clock: ManualClock
) -> None:
    market.takes = 5
    async with anyio.create_task_group() as group:
        group.start_soon(pacing.ask, POSTS, market)
        await clock.advance(1)
        group.cancel_scope.cancel()
    market.takes = 0
    with pytest.raises(TooSoon, match="broken off"):
        await pacing.ask(POSTS, market)
    clock.skip(60)
    assert (await pacing.ask(POSTS, market)).answer == 2


async def test_a_write_after_a_failed_try_makes_a_fresh_look_due(pacing: Pacing, market: Market) -> None:
    market.failure = Unavailable("AgentJob broke.")
    with pytest.raises(Unavailable):
        await pacing.ask(POSTS, market)
    market.failure = None
    pacing.out_of_date("agentjob", ("posts",))
    assert (await pacing.ask(POSTS, market)).answer == 2


@pytest.mark.parametrize("wrote", [False, True])
async def test_a_market_that_asks_to_be_left_alone_is_left_alone_that_long_even_after_an_own_write(
    pacing: Pacing, market: Market, clock: ManualClock, wrote: bool
) -> None:
    await pacing.ask(POSTS, market)
    clock.skip(60)
    market.failure = Refused("Too many requests.", status=429, retry_after_seconds=300)
    with pytest.raises(Refused):
        await pacing.ask(POSTS, market)
    market.failure = None
    if wrote:
        pacing.out_of_date("agentjob", ("posts",))
    assert pacing.next_in("agentjob") == {"posts": pytest.approx(300, abs=1)}
    clock.skip(299)
    held = await pacing.ask(POSTS, market)
    assert (held.answer, held.note) == (1, "Too many requests.")
    assert held.next_in == pytest.approx(1, abs=1)
    clock.skip(2)
    assert (await pacing.ask(POSTS, market)).answer == 3


async def test_being_left_alone_over_one_question_costs_the_others_no_budget(
    state: State, market: Market, clock: ManualClock
) -> None:
    strict = Pacing(state, clock, budget=0)
    market.failure = Refused("Too many requests.", status=429, retry_after_seconds=300)
    with pytest.raises(Refused):
        await strict.ask(page(1), market)
    market.failure = None
    clock.skip(60)
    assert (await strict.ask(page(2), market)).source == "live"
    with pytest.raises(TooSoon, match="Too many requests") as caught:
        await strict.ask(page(1), market)
    assert caught.value.retry_after_seconds == pytest.approx(240, abs=2)


@pytest.mark.parametrize(("said", "told"), [(None, 60), (5, 60), (300, 300)])
async def test_a_failure_says_when_the_slot_is_free_again_whatever_the_market_said(
    pacing: Pacing, market: Market, said: float | None, told: float
) -> None:
    market.failure = Unavailable("AgentJob broke.", retry_after_seconds=said)
    with pytest.raises(Unavailable) as caught:
        await pacing.ask(POSTS, market)
    assert caught.value.retry_after_seconds == pytest.approx(told, abs=1)


# What is told


async def test_what_may_not_be_asked_now_is_told_with_how_long_it_takes(
    pacing: Pacing, market: Market, clock: ManualClock
) -> None:
    assert pacing.next_in("agentjob") == {}
    await pacing.ask(page(1), market)
    clock.skip(10)
    await pacing.ask(page(2), market)
    clock.skip(10)
    await pacing.ask(page(1, topic="tasks"), market)
    await pacing.ask(page(1, "opentask"), market)
    assert pacing.next_in("agentjob") == {"posts": 50, "tasks": 60}
    clock.skip(55)
    assert pacing.next_in("agentjob") == {"tasks": 5}


def test_questions_are_the_same_only_when_everything_in_them_is() -> None:
    assert page(1) == page(1)
    assert len({page(1), page(2), page(1, "opentask"), page(1, topic="tasks")}) == 4
    assert Question.of("a", "t", "GET", "/x", [("q", "é")]).key.isalnum()
