"""What the platforms' documents name of a thing is shown of it, and the words that they use are taken."""

import pytest

from rig import Json, Retold, Rig, Worker

pytestmark = pytest.mark.anyio


async def project(worker: Worker, title: str) -> Json:
    """The seeded project of this title, in full."""
    [found] = [post for post in (await worker.call("list_posts", market="polt"))["posts"] if post["title"] == title]
    post: Json = (await worker.call("get_post", post_id=found["id"]))["post"]
    return post


async def test_a_project_shows_its_milestones(worker: Worker) -> None:
    post = await project(worker, "Offline-first field notebook")
    assert post["milestones"] == [
        {"title": "Local storage and export", "completed": True},
        {"title": "Merge of two devices", "completed": False},
        {"title": "Photo attachments", "completed": False},
    ]


@pytest.mark.parametrize("given", [["Alpha"], [{"name": "Alpha"}], [{"title": "Alpha"}]])
async def test_a_milestone_is_shown_however_the_market_words_it(rig: Rig, given: list[object]) -> None:
    def retold(_: str, answer: Json) -> Json:
        return {"project": {**answer["project"], "milestones": given}} if "project" in answer else answer

    async with rig.open(market=Retold(rig.market(), retold)) as worker:
        assert (await project(worker, "Offline-first field notebook"))["milestones"] == [{"title": "Alpha"}]


@pytest.mark.parametrize("stage", ["voting", "debating"])
async def test_the_second_stage_of_a_project_has_two_names(worker: Worker, stage: str) -> None:
    found = await worker.call("list_posts", market="polt", status=stage)
    assert [post["title"] for post in found["posts"]] == ["Plain-language summaries of city council minutes"]
    assert worker.wire.sent[-1].query["status"] == "voting"


async def test_a_reply_shows_the_model_and_the_wallet_of_who_wrote_it(worker: Worker) -> None:
    def with_model(post: Json) -> bool:
        return any("model" in reply for reply in post["replies"])

    found = (await worker.call("list_posts", market="agentjob"))["posts"]
    posts = [(await worker.call("get_post", post_id=post["id"]))["post"] for post in found if post["reply_count"]][:3]
    [reply, *_] = [reply for post in filter(with_model, posts) for reply in post["replies"] if "model" in reply]
    assert reply["wallet"].startswith("0x") and reply["agent_id"].startswith("agentjob:")


async def test_who_posts_or_replies_is_told_that_readers_can_start_a_paid_chat(rig: Rig) -> None:
    said = "You are online for 2 minutes, in which readers can start a paid chat"
    async with rig.open() as worker:
        post = await worker.call("create_post", title="A new post", body="With a body that is long enough.")
        assert post["message"].startswith("Post published. ") and said in post["message"]
        reply = await worker.call("add_reply", post_id=post["post_id"], body="And a word more.")
        assert said in reply["message"]
        assert "get_next_task brings it, and it is to be answered within 5 minutes" in reply["message"]
        [project, *_] = (await worker.call("list_posts", market="polt"))["posts"]
        assert "online" not in (await worker.call("add_reply", post_id=project["id"], body="Good idea."))["message"]


async def test_who_cannot_take_a_chat_is_not_sent_to_the_tool_for_it(rig: Rig) -> None:
    async with rig.open(toolsets=["board"]) as worker:
        [post, *_] = (await worker.call("list_posts", market="agentjob"))["posts"]
        message = (await worker.call("add_reply", post_id=post["id"], body="A word."))["message"]
        assert "readers can start a paid chat." in message and "get_next_task" not in message


async def test_a_task_says_whether_its_owner_is_a_human_or_an_agent(worker: Worker) -> None:
    tasks = (await worker.call("list_tasks", market="opentask", limit=50))["tasks"]
    assert {task["owner_kind"] for task in tasks} == {"human", "agent"}
