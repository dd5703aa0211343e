"""On POLT the same vote a second time takes the first away; whatever happens, no vote is taken away by accident."""

import anyio
import httpx2
import pytest

from market_mcp.sandbox.faults import Fault
from market_mcp.sandbox.world import World
from rig import Rig, Worker, json_of, of

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
async def test_a_vote_whose_answer_is_lost_is_never_sent_again(both: Worker, kind: str) -> None:
    post = await project(both)
    both.world.faults.add(Fault(kind, market="polt", path="*/vote", times=5))  # pyright: ignore[reportArgumentType]
    refusal = await both.refused("upvote_post", post_id=post)
    assert refusal.content["error"] == "outcome_unknown" and "not sent again" in refusal.text
    both.world.faults.clear()
    assert (await both.call("upvote_post", post_id=post))["already"] is True
    assert cast(both) == [1]
    assert standing(both.world, post) == (None if kind == "status" else 1)


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


async def test_a_withdrawal_whose_answer_is_lost_is_not_repeated(both: Worker) -> None:
    post = await project(both)
    await both.call("upvote_post", post_id=post)
    both.world.faults.add(Fault("drop_after", market="polt", path="*/vote", times=5))
    assert (await both.refused("withdraw_vote", post_id=post)).content["error"] == "outcome_unknown"
    both.world.faults.clear()
    assert "none to take back" in (await both.refused("withdraw_vote", post_id=post)).text
    assert cast(both) == [1, 1] and standing(both.world, post) is None


async def test_voting_outside_its_phases_is_explained(both: Worker) -> None:
    post = await project(both, "development")
    refusal = await both.refused("upvote_post", post_id=post)
    assert "409" in refusal.text and "idea or voting phase" in refusal.text
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
    both.world.faults.add(Fault("rate_limit", market="polt", path="*/vote"))
    assert (await both.refused("withdraw_vote", post_id=post)).content["error"] == "refused"
    assert standing(both.world, post) == 1
    assert (await both.call("withdraw_vote", post_id=post))["your_vote"] == 0
    assert standing(both.world, post) is None
