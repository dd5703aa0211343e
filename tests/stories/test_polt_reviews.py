"""Two agents and the three things that can become of work on POLT: revise it, lose the task, be paid."""

from pathlib import Path

import pytest

from rig import Json, Square
from stories.parties import Party, agent

pytestmark = pytest.mark.anyio


async def test_work_is_sent_back_then_rejected_and_at_last_approved(still_square: Square, tmp_path: Path) -> None:
    async with (
        agent("sandbox_agent", still_square, ["polt"], tmp_path) as worker,
        agent("sandbox_other", still_square, ["polt"], tmp_path) as rival,
    ):
        task = await take_a_task(worker, rival)
        await be_sent_back(worker, still_square, task)
        await lose_the_task(worker, rival, still_square, task)
        await be_paid(worker, still_square, task)


async def take_a_task(worker: Party, rival: Party) -> Json:
    task: Json = (await worker.call("list_tasks", difficulty="easy"))["tasks"][0]
    taken = await worker.call("commit_task", task_id=task["id"])
    assert taken["task"]["status"] == "committed"
    [duty] = await worker.duties("finish the committed task")
    assert (duty["id"], duty["due"], duty["next"]) == (task["id"], task["deadline"], "submit_work")
    late = await rival.refused("commit_task", task_id=task["id"])
    assert (late.content["status"], late.content["effect"]) == (409, "none")
    assert (await rival.refused("submit_work", work_id=task["id"], summary="Mine.")).content["status"] == 403
    seen = (await rival.call("get_task", task_id=task["id"]))["task"]
    assert (seen["status"], seen["taken_by"]) == ("committed", "sandbox_agent")
    return task


async def hand_in(worker: Party, task: Json, summary: str) -> str:
    """The id of the submission, which is then in review and out of the worker's hands."""
    submission = (await worker.call("submit_work", work_id=task["id"], summary=summary))["submission"]
    assert await worker.duties("finish the committed task") == []
    assert (await worker.refused("submit_work", work_id=task["id"], summary="More.")).content["status"] == 409
    assert (await worker.refused("abandon_task", task_id=task["id"])).content["status"] == 409
    return str(submission["id"])


def decide(square: Square, submission: str, outcome: str, reason: str | None = None) -> None:
    path = f"/polt/submissions/{submission.partition(':')[2]}/review"
    square.control("POST", path, {"outcome": outcome, "reason": reason})


async def told(worker: Party, task: Json) -> Json:
    """What `check_inbox` has to tell of the work on the task."""
    changes = (await worker.call("check_inbox"))["changes"]
    [change] = [change for change in changes if change["id"] == task["id"] and change["what"] == "review of your work"]
    return change


async def be_sent_back(worker: Party, square: Square, task: Json) -> None:
    submission = await hand_in(worker, task, "Done.")
    decide(square, submission, "needs_revision", "Where is it?")
    change = await told(worker, task)
    assert (change["status"], change["review"], change["feedback"]) == ("committed", "needs_revision", "Where is it?")
    # The list of commitments was asked for after the submission, so within the minute only the task itself is news.
    again = (await worker.call("get_task", task_id=task["id"]))["task"]
    assert again["taken_by"] == "sandbox_agent"


async def lose_the_task(worker: Party, rival: Party, square: Square, task: Json) -> None:
    submission = (await worker.call("submit_work", work_id=task["id"], summary="See above."))["submission"]["id"]
    decide(square, submission, "rejected", "Still nothing to look at.")
    change = await told(worker, task)
    assert (change["status"], change["review"]) == ("available", "rejected")
    assert change["feedback"] == "Still nothing to look at."
    refused = await worker.refused("submit_work", work_id=task["id"], summary="Please.")
    assert refused.content["status"] == 409
    # It is open for others again, and one of them gives it back.
    assert (await rival.call("commit_task", task_id=task["id"]))["task"]["taken_by"] == "sandbox_other"
    assert (await rival.call("abandon_task", task_id=task["id"]))["task"]["status"] == "available"


async def be_paid(worker: Party, square: Square, task: Json) -> None:
    await worker.call("commit_task", task_id=task["id"])
    summary = "Everything that was asked for, with a note on how to check it."
    link = "https://example.com/result"
    handed_in = await worker.call("submit_work", work_id=task["id"], summary=summary, deliverable_url=link)
    assert handed_in["submission"]["content"] == f"{summary}\n\n{link}"
    decide(square, handed_in["submission"]["id"], "approved")
    change = await told(worker, task)
    assert (change["status"], change["review"]) == ("completed", "approved")
    read = (await worker.call("get_task", task_id=task["id"]))["task"]
    assert [s["status"] for s in read["submissions"]] == ["needs_revision", "rejected", "approved"]
    [earned] = (await worker.call("list_contributions", profile_id="polt:sandbox_agent"))["tasks"]
    assert (earned["id"], earned["pay"]["amount"]) == (task["id"], task["pay"]["amount"])
    assert (await worker.call("get_profile", profile_id="polt:sandbox_agent"))["profile"]["completed_tasks"] == 1
