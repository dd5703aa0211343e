"""On POLT the same vote a second time takes the first away; whatever happens, no vote is taken away by accident."""

import anyio
import httpx2
import pytest

from clocks import ManualClock
from market_mcp.gateway.exchange import USUAL
from market_mcp.sandbox.faults import Fault
from market_mcp.sandbox.world import World
from market_mcp.services.votes import WAITING
from rig import Json, Retold, Rig, Worker, json_of, of

pytestmark = pytest.mark.anyio


async def project(worker: Worker, status: str = "idea") -> str:
    """The id of a POLT project in this phase."""
    return str((await worker.call("list_posts", status=status))["posts"][0]["id"])


def cast(worker: Worker) -> list[object]:
    """The values of the votes that were sent, in order."""
    return [json_of(sent)["value"] for sent in worker.wire.sent if sent.path.endswith("/vote")]


def standing(world: World, post: str) -> int | None:
    """What the market counts for the sandbox's agent."""
    with world.store.transaction() as db:
        row = db.execute(
            """SELECT v.value FROM polt_votes v JOIN polt_agents a ON a.id = v.agent_id
            WHERE v.project_id = ? AND a.username = 'sandbox_agent'""",
            (post.partition(":")[2],),
        ).fetchone()
    return None if row is None else int(row["value"])


async def test_a_second_upvote_sends_nothing(both: Worker) -> None:
    post = await project(both)
    first = await both.call("upvote_post", post_id=post)
    again = await both.call("upvote_post", post_id=post)
    assert first["your_vote"] == again["your_vote"] == 1
    assert again["already"] is True and "nothing was sent" in again["message"]
    assert cast(both) == [1] and standing(both.world, post) == 1


async def test_a_vote_is_remembered_by_every_server_on_the_same_state_and_after_a_restart(rig: Rig) -> None:
    async with rig.open() as one:
        post = await project(one)
        await one.call("upvote_post", post_id=post)
        async with rig.open() as two:
            assert (await two.call("upvote_post", post_id=post))["already"] is True
            assert cast(two) == []
    async with rig.open() as later:
        assert (await later.call("upvote_post", post_id=post))["already"] is True
    assert standing(rig.world, post) == 1


async def test_a_vote_that_a_forgotten_one_would_take_away_is_given_once_more(rig: Rig, era: str) -> None:
    rig = rig.with_era(era)
    async with rig.open() as before:
        post = await project(before)
        await before.call("upvote_post", post_id=post)
    async with rig.open(state="lost.db") as after:
        assert (await after.call("upvote_post", post_id=post))["your_vote"] == 1
        assert cast(after) == [1, 1] and standing(rig.world, post) == 1
        await after.call("upvote_post", post_id=post)
        assert cast(after) == [1, 1]


async def test_a_downvote_after_an_upvote_turns_it_around(both: Worker) -> None:
    post = await project(both)
    up = await both.call("upvote_post", post_id=post)
    down = await both.call("downvote_post", post_id=post)
    assert down["your_vote"] == -1 and down["votes"] == up["votes"] - 2
    assert (await both.call("downvote_post", post_id=post))["already"] is True
    assert cast(both) == [1, -1] and standing(both.world, post) == -1
    await both.call("upvote_post", post_id=post)
    assert cast(both) == [1, -1, 1] and standing(both.world, post) == 1


@pytest.mark.parametrize("kind", ["drop_after", "malformed", "status"])
async def test_a_vote_whose_answer_is_lost_is_not_called_cast_and_the_next_call_leaves_one(
    both: Worker, kind: str
) -> None:
    post = await project(both)
    both.world.faults.add(Fault(kind, market="polt", path="*/vote", times=5))  # pyright: ignore[reportArgumentType]
    refusal = await both.refused("upvote_post", post_id=post)
    assert refusal.content["error"] == "outcome_unknown" and "looks first" in refusal.text
    assert cast(both) == [1]
    both.world.faults.clear()
    result = await both.call("upvote_post", post_id=post)
    assert result["your_vote"] == 1 and "already" not in result
    # Where it had counted, the second took it away and the third gave it back.
    assert cast(both) == ([1, 1] if kind == "status" else [1, 1, 1]) and standing(both.world, post) == 1
    assert (await both.call("upvote_post", post_id=post))["already"] is True


@pytest.mark.parametrize(("kind", "counted"), [("drop_after", True), ("status", False)])
async def test_a_post_that_shows_ones_vote_settles_one_whose_answer_was_lost(
    rig: Rig, kind: str, counted: bool
) -> None:
    posts: list[str] = []

    def shown(path: str, answer: Json) -> Json:
        """The answer in which the post shows the agent's own vote."""
        if posts and path.endswith(posts[0].partition(":")[2]):
            return {"project": {**answer.get("project", answer), "your_vote": standing(rig.world, posts[0]) or 0}}
        return answer

    async with rig.open(market=Retold(rig.market(), shown)) as worker:
        post = await project(worker)
        posts.append(post)
        rig.world.faults.add(Fault(kind, market="polt", path="*/vote"))  # pyright: ignore[reportArgumentType]
        await worker.refused("upvote_post", post_id=post)
        rig.world.faults.clear()
        result = await worker.call("upvote_post", post_id=post)
        assert result["your_vote"] == 1 and ("already" in result) is counted
        assert cast(worker) == ([1] if counted else [1, 1]) and standing(rig.world, post) == 1


async def test_a_market_that_never_says_how_a_vote_stands_is_not_believed_once_an_answer_was_lost(rig: Rig) -> None:
    async with rig.open(market=Retold(rig.market(), wordless)) as worker:
        post = await project(worker)
        rig.world.faults.add(Fault("status", market="polt", path="*/vote"))
        await worker.refused("upvote_post", post_id=post)
        rig.world.faults.clear()
        refusal = await worker.refused("upvote_post", post_id=post)
        assert refusal.content["error"] == "outcome_unknown" and "does not tell" in refusal.text


async def test_a_vote_of_a_process_that_ended_in_between_is_looked_for(rig: Rig) -> None:
    async with rig.open() as one, rig.open() as two:
        post = await project(one)
        rig.world.faults.add(Fault("latency", market="polt", path="*/vote", seconds=3600))
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: one.ask("upvote_post", post_id=post))
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        assert len(cast(one)) == 1
        rig.world.faults.clear()
        assert (await two.call("upvote_post", post_id=post))["your_vote"] == 1
        assert standing(rig.world, post) == 1


async def test_a_vote_that_never_left_can_be_cast_again(both: Worker) -> None:
    post = await project(both)
    both.wire.broken = httpx2.ConnectError("no route")
    assert (await both.refused("upvote_post", post_id=post)).content["error"] == "unavailable"
    both.wire.broken = None
    assert "already" not in await both.call("upvote_post", post_id=post)
    assert standing(both.world, post) == 1


async def test_two_upvotes_at_once_leave_one_vote(worker: Worker) -> None:
    post = await project(worker)
    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(lambda: worker.call("upvote_post", post_id=post))
    assert standing(worker.world, post) == 1
    assert (await worker.call("upvote_post", post_id=post))["already"] is True


async def test_a_vote_is_withdrawn_once_and_can_be_cast_anew(both: Worker) -> None:
    post = await project(both)
    assert "none to take back" in (await both.refused("withdraw_vote", post_id=post)).text
    await both.call("downvote_post", post_id=post)
    assert (await both.call("withdraw_vote", post_id=post))["your_vote"] == 0
    assert standing(both.world, post) is None
    assert "none to take back" in (await both.refused("withdraw_vote", post_id=post)).text
    assert cast(both) == [-1, -1]
    assert "already" not in await both.call("upvote_post", post_id=post)
    assert cast(both) == [-1, -1, 1] and standing(both.world, post) == 1


async def test_a_withdrawal_whose_answer_is_lost_leaves_no_vote_when_it_is_repeated(both: Worker) -> None:
    post = await project(both)
    await both.call("upvote_post", post_id=post)
    both.world.faults.add(Fault("drop_after", market="polt", path="*/vote", times=5))
    assert (await both.refused("withdraw_vote", post_id=post)).content["error"] == "outcome_unknown"
    both.world.faults.clear()
    # The vote was gone, so the second withdrawal cast it, and the third took it away.
    assert (await both.call("withdraw_vote", post_id=post))["your_vote"] == 0
    assert cast(both) == [1, 1, 1, 1] and standing(both.world, post) is None
    assert "none to take back" in (await both.refused("withdraw_vote", post_id=post)).text


async def test_voting_outside_its_phases_is_explained(both: Worker) -> None:
    post = await project(both, "development")
    refusal = await both.refused("upvote_post", post_id=post)
    assert "409" in refusal.text and "idea and voting phase" in refusal.text
    assert standing(both.world, post) is None


async def test_on_agentjob_an_upvote_twice_leaves_one(both: Worker) -> None:
    post = of("agentjob", (await both.call("list_posts"))["posts"])[0]["id"]
    first, again = [await both.call("upvote_post", post_id=post) for _ in range(2)]
    assert first["votes"] == again["votes"]
    assert (await both.refused("downvote_post", post_id=post)).content["error"] == "bad_call"


async def test_a_withdrawal_that_did_not_happen_can_be_repeated(both: Worker) -> None:
    post = await project(both)
    await both.call("upvote_post", post_id=post)
    both.wire.broken = httpx2.ConnectError("no route")
    assert (await both.refused("withdraw_vote", post_id=post)).content["error"] == "unavailable"
    both.wire.broken = None
    both.world.faults.add(Fault("status", market="polt", path="*/vote", status=403))
    assert (await both.refused("withdraw_vote", post_id=post)).content["error"] == "refused"
    assert standing(both.world, post) == 1
    assert (await both.call("withdraw_vote", post_id=post))["your_vote"] == 0
    assert standing(both.world, post) is None


def wordless(path: str, answer: Json) -> Json:
    """The answer to a vote as a market gives it that does not say what the vote left behind."""
    return {"message": "ok"} if path.endswith("/vote") else answer


def refuse_the_second(world: World) -> None:
    """Lets one vote through and refuses the next."""
    world.faults.add(Fault("latency", market="polt", path="*/vote", seconds=0))
    world.faults.add(Fault("status", market="polt", path="*/vote", status=403))


async def test_two_upvotes_at_once_leave_one_vote_on_a_market_that_does_not_say_so(rig: Rig) -> None:
    market = Retold(rig.market(), wordless)
    async with rig.open(market=market) as one, rig.open(market=market) as two:
        post = await project(one)
        rig.world.faults.add(Fault("latency", market="polt", path="*/vote", times=3))
        async with anyio.create_task_group() as group:
            for worker in (one, one, two):
                group.start_soon(lambda worker: worker.call("upvote_post", post_id=post), worker)
            for _ in range(4):
                await anyio.wait_all_tasks_blocked()
                await rig.clock.advance(5)
        assert len(cast(one) + cast(two)) == 1 and standing(rig.world, post) == 1


class Reluctant(httpx2.AsyncBaseTransport):
    """Markets that keep the first vote waiting and then refuse it."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, clock: ManualClock) -> None:
        self._inner, self._clock, self._votes = inner, clock, 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/vote"):
            self._votes += 1
            if self._votes == 1:
                await self._clock.sleep(5)
                return httpx2.Response(403, json={"error": "Not now"})
        return await self._inner.handle_async_request(request)


async def test_a_second_vote_waits_to_hear_how_the_first_ended(rig: Rig) -> None:
    async with rig.open(market=Reluctant(rig.market(), rig.clock)) as worker:
        post = await project(worker)
        outcomes: list[bool] = []

        async def vote() -> None:
            outcomes.append((await worker.ask("upvote_post", post_id=post))[0])

        async with anyio.create_task_group() as group:
            group.start_soon(vote)
            group.start_soon(vote)
            await anyio.wait_all_tasks_blocked()
            await rig.clock.advance(5)
        # The first was refused, so the second could not rely on it.
        assert outcomes == [False, True] and standing(rig.world, post) == 1


async def test_a_vote_waits_for_none_on_another_post(worker: Worker) -> None:
    with worker.world.store.transaction() as db:
        db.execute("UPDATE polt_projects SET status = 'idea'")
    one, two, three = [post["id"] for post in (await worker.call("list_posts", status="idea"))["posts"]][:3]
    for post in (one, two):
        path = f"*/{post.partition(':')[2]}/vote"
        worker.world.faults.add(Fault("latency", market="polt", path=path, seconds=3600))
    async with anyio.create_task_group() as group:
        for post in (one, two):
            group.start_soon(lambda post: worker.ask("upvote_post", post_id=post), post)
        await anyio.wait_all_tasks_blocked()
        assert worker.wire.waiting == 2
        assert (await worker.call("upvote_post", post_id=three))["your_vote"] == 1
        assert worker.wire.waiting == 2
        group.cancel_scope.cancel()


async def test_of_many_votes_on_one_post_that_hangs_only_a_few_wait(worker: Worker) -> None:
    post = await project(worker)
    worker.world.faults.add(Fault("latency", market="polt", path="*/vote", seconds=3600))
    async with anyio.create_task_group() as group:
        for _ in range(WAITING + 1):
            group.start_soon(lambda: worker.ask("upvote_post", post_id=post))
        await anyio.wait_all_tasks_blocked()
        refusal = await worker.refused("upvote_post", post_id=post)
        assert (refusal.content["error"], refusal.content["effect"]) == ("too_soon", "none")
        assert f"{WAITING + 1} votes on that post" in refusal.text and len(cast(worker)) == 1
        group.cancel_scope.cancel()


@pytest.mark.parametrize("first", ["a look", "the same vote"])
async def test_a_vote_whose_second_request_hangs_is_left_alone_by_other_processes(rig: Rig, first: str) -> None:
    async with rig.open(state="lost.db") as before, rig.open() as one, rig.open() as two:
        post = await project(one)
        if first == "a look":
            rig.world.faults.add(Fault("drop_after", market="polt", path="*/vote"))
            assert (await one.refused("upvote_post", post_id=post)).content["error"] == "outcome_unknown"
        else:
            await before.call("upvote_post", post_id=post)
        rig.world.faults.add(Fault("latency", market="polt", times=2, seconds=40))
        sent = len(one.wire.sent)
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: one.call("upvote_post", post_id=post))
            await rig.clock.advance(40)
            group.start_soon(lambda: two.call("upvote_post", post_id=post))
            await rig.clock.advance(20)
            # The first request is over, and the vote began longer ago than any request takes.
            assert USUAL.longest < 60 and len(one.wire.sent) == sent + 2 and cast(two) == []
            await rig.clock.advance(20)
        assert cast(two) == [] and standing(rig.world, post) == 1


async def test_a_vote_that_was_taken_away_and_could_not_be_given_back_says_so(rig: Rig) -> None:
    async with rig.open() as before:
        post = await project(before)
        await before.call("upvote_post", post_id=post)
    async with rig.open(state="lost.db") as after:
        refuse_the_second(rig.world)
        refusal = await after.refused("upvote_post", post_id=post)
        assert cast(after) == [1, 1] and standing(rig.world, post) is None
        assert (refusal.content["error"], refusal.content["effect"]) == ("halfway", "partly")
        assert "was taken away" in refusal.text and "Nothing was changed" not in refusal.text
        rig.world.faults.clear()
        assert "already" not in await after.call("upvote_post", post_id=post)
        assert standing(rig.world, post) == 1


async def test_taking_back_a_vote_that_never_counted_leaves_none(both: Worker) -> None:
    post = await project(both)
    both.world.faults.add(Fault("status", market="polt", path="*/vote"))
    assert (await both.refused("upvote_post", post_id=post)).content["error"] == "outcome_unknown"
    both.world.faults.clear()
    assert standing(both.world, post) is None
    assert (await both.call("withdraw_vote", post_id=post))["your_vote"] == 0
    assert cast(both) == [1, 1, 1] and standing(both.world, post) is None


async def test_a_vote_that_taking_back_cast_and_could_not_undo_is_said_to_stand(both: Worker) -> None:
    post = await project(both)
    both.world.faults.add(Fault("status", market="polt", path="*/vote"))
    await both.refused("upvote_post", post_id=post)
    both.world.faults.clear()
    refuse_the_second(both.world)
    refusal = await both.refused("withdraw_vote", post_id=post)
    assert "stands now" in refusal.text and refusal.content["effect"] == "partly"
    assert standing(both.world, post) == 1
    both.world.faults.clear()
    assert (await both.call("withdraw_vote", post_id=post))["your_vote"] == 0
    assert standing(both.world, post) is None
