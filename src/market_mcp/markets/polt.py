"""POLT: bounty tasks to commit to, projects to discuss and vote on. Source: the POLT skill document.

Creating and reviewing projects and tasks is reserved to the platform's CTO. No row here says how, so no call can.
"""

import re
from collections.abc import Mapping

from market_mcp.actions import account, board, profiles, work
from market_mcp.markets.base import Market
from market_mcp.markets.domain import Post, Profile, Reply, Result, Submission, Task, pay, present
from market_mcp.markets.duties import Duties, Item, Judged, Step
from market_mcp.markets.news import News, Watched
from market_mcp.markets.reply import Fields
from market_mcp.markets.row import (
    UPSTREAM_PAGE,
    Effect,
    Filter,
    Limits,
    Listing,
    Paging,
    Request,
    Row,
    Standing,
    sends,
    table,
)

# POLT skill: "results per page (default 20)", and no word of the most there can be.
PAGES = Paging("page", full=20)


def project(f: Fields) -> Post:
    f = f.unwrap("project")
    return present(
        Post(
            id=f.required_handle("id"),
            title=f.required_text("title", "name"),
            body=f.text("description", "body"),
            author=f.person("created_by", "author", "agent"),
            status=f.text("status", "stage"),
            created_at=f.text("created_at"),
            votes=votes(f),
            your_vote=f.whole("your_vote", "user_vote", "my_vote"),
            reply_count=f.whole("reply_count", "replies_count"),
            progress=f.number("progress"),
            tasks=f.each("tasks", lambda t: f"{t.required_handle('id')} {t.text('title') or ''} ({t.text('status')})"),
            replies=f.each("replies", reply),
        )
    )


def votes(f: Fields) -> int | float | None:
    up, down = f.number("upvotes"), f.number("downvotes")
    return up - down if up is not None and down is not None else f.number("vote_count", "votes", "score")


def reply(f: Fields) -> Reply:
    return present(
        Reply(
            id=f.handle("id"),
            author=f.person("author", "username", "agent"),
            body=f.text("body", "content") or "",
            created_at=f.text("created_at"),
        )
    )


def submission(f: Fields) -> Submission:
    return present(
        Submission(
            id=f.handle("id"),
            author=f.person("agent", "username", "author", "submitted_by"),
            status=f.text("status", "outcome"),
            content=f.text("submission_content", "content"),
            feedback=f.text("reason", "feedback", "rejection_reason", "review_notes", "revision_notes"),
            created_at=f.text("created_at", "submitted_at"),
        )
    )


def task(f: Fields) -> Task:
    f = f.unwrap("task")
    amount = f.value.get("payout", f.value.get("payout_amount"))
    words = amount if isinstance(amount, str) else None
    return present(
        Task(
            id=f.required_handle("id"),
            title=f.required_text("title"),
            description=f.text("description"),
            status=f.text("status"),
            pay=pay(words, amount, f.text("payout_currency", "currency")),
            deadline=f.text("deadline"),
            difficulty=f.text("difficulty"),
            skills=f.texts("skills") or f.texts("tags"),
            taken_by=f.person("committed_by", "assignee", "committed_agent"),
            project_id=f.handle("project_id"),
            created_at=f.text("created_at"),
            submissions=f.each("submissions", submission),
        )
    )


def last_review(task: Item) -> Judged:
    """What was said of the latest submission: the review decides what is to be done, and not the task's status."""
    last = task.get("submissions", [{}])[-1]
    status = last.get("status")
    return Judged(status, last.get("feedback") if status == "needs_revision" else None)


def replied(f: Fields) -> Result:
    inner = f.unwrap("reply")
    return present({"reply_id": inner.handle("id"), "message": f.text("message") or "Reply published."})


def voted(f: Fields) -> Result:
    """What a vote left behind: `value` is 1, -1, 0 (the vote was taken away) or None where the reply does not say."""
    message = f.text("message") or ""
    vote = f.object("vote")
    value = f.whole("vote", "value", "your_vote", "user_vote") if vote is None else vote.whole("value")
    if value is None and re.search(r"\bremoved\b|\bwithdrawn\b", message, re.IGNORECASE):
        value = 0
    return {"value": value, "votes": votes(f), "message": message}


def accepted(f: Fields) -> Result:
    """The task after a commit or an uncommit, with the market's sentence."""
    inner = f.object("task")
    return present({"message": f.text("message"), "task": task(inner) if inner else None})


def submitted(f: Fields) -> Result:
    inner = f.object("submission")
    return present({"message": f.text("message"), "submission": submission(inner) if inner else None})


def submission_content(action: work.SubmitWork, _: object) -> Mapping[str, object]:
    """POLT takes one text; the link to the work stands on its last line."""
    link = f"\n\n{action.deliverable_url}" if action.deliverable_url else ""
    return {"submission_content": action.summary + link}


def profile(f: Fields) -> Profile:
    """An agent; its handle is its username, because that is what POLT's paths take."""
    f = f.unwrap("agent", "profile")
    return present(
        Profile(
            id=f.required_handle("username"),
            name=f.text("username"),
            display_name=f.text("display_name"),
            bio=f.text("bio"),
            completed_tasks=f.whole("completed_tasks", "tasks_completed"),
            earned=f.text("total_earned", "earned", "total_rewards"),
            rank=f.whole("rank"),
            created_at=f.text("created_at"),
        )
    )


def verified(f: Fields) -> Result:
    """The key is good; whose it is stands there only if POLT says so."""
    inner = f.object("agent", "profile")
    name = (inner or f).text("username")
    return present({"valid": f.flag("valid") is not False, "id": f"{f.market}:{name}" if name else None, "name": name})


def registered(f: Fields) -> Result:
    return {"secret": f.required_text("api_key")}


def registration(a: account.RegisterAgent, _: object) -> Mapping[str, object]:
    """All three fields stand in POLT's example, and none is called optional."""
    return {"username": a.username, "display_name": a.display_name or a.username, "bio": a.bio or ""}


def same_vote(_: board.WithdrawVote, standing: int) -> Mapping[str, object]:
    """POLT skill: voting again with the same value removes the vote."""
    return {"value": standing}


def updated(f: Fields) -> Result:
    """The name under which others see the profile stands there only if POLT says it."""
    name = f.unwrap("agent", "profile").handle("username")
    return present({"message": f.text("message") or "Profile updated.", "profile_id": name})


TASK_STATUS = {
    "available": "available",
    "committed": "committed",
    "in_review": "in_review",
    "completed": "completed",
    "any": None,
}
VOTE = "/api/projects/{post_id}/vote"
VOTE_HINTS = {409: "Votes count only while a project is in its idea or voting phase."}
VOTED = ("projects/{post_id}", "projects")
COMMIT_HINT = "Only an available task can be committed to, and at most 3 at once; my_work lists yours."

POLT = Market(
    kind="polt",
    name="POLT",
    document="POLT skill",
    base_urls={"seed": "https://polt.fun.ngrok.app", "current": "https://polt.fun"},
    key_env="POLT_API_KEY",
    key_pattern=re.compile(r"polt_[A-Za-z0-9_-]{4,200}"),
    probe=board.ListPosts,
    duties=(
        Duties(
            "commitments",
            work.CommittedTasks,
            work.GetTask,
            {"needs_revision": Step("revise what you handed in", work.SubmitWork)},
            otherwise=Step("finish the committed task", work.SubmitWork),
            own_name="profile_id",
            read=work.GetTask,
            unread="Whether these came back for revision is not known.",
            judge=last_review,
            standing="commitments",
        ),
    ),
    news=News(
        recent=work.RecentTasks,
        watched=(
            Watched("post", "your posts", board.GetPost, "replies"),
            Watched("task", "your tasks", work.GetTask, "review", frozenset({"pending"})),
        ),
    ),
    rows=table(
        Row(
            board.ListPosts,
            "GET /api/projects",
            project,
            "List all projects",
            auth=False,
            listing=Listing(
                "projects",
                PAGES,
                filters={"sort": Filter("sort", {"new": "new", "progress": "progress"}), "status": Filter("status")},
                local=frozenset({"query"}),
            ),
            topic="projects",
        ),
        Row(
            board.GetPost,
            "GET /api/projects/{post_id}",
            project,
            "Get project details",
            auth=False,
            topic="projects/{post_id}",
        ),
        Row(
            board.AddReply,
            "POST /api/projects/{post_id}/replies",
            replied,
            "Discussing Projects",
            request=Request(body=sends(body="body")),
            clears=("projects/{post_id}",),
            effect=Effect(watches=(("post", "post_id"),)),
        ),
        Row(
            board.UpvotePost,
            f"POST {VOTE}",
            voted,
            "Voting on Projects",
            request=Request(body=sends({"value": 1})),
            clears=VOTED,
            effect=Effect(performer="votes", vote=1),
            hints=VOTE_HINTS,
        ),
        Row(
            board.DownvotePost,
            f"POST {VOTE}",
            voted,
            "Voting on Projects",
            request=Request(body=sends({"value": -1})),
            clears=VOTED,
            effect=Effect(performer="votes", vote=-1),
            hints=VOTE_HINTS,
        ),
        Row(
            board.WithdrawVote,
            f"POST {VOTE}",
            voted,
            "Voting on Projects: the same value again removes the vote",
            request=Request(body=same_vote),
            clears=VOTED,
            effect=Effect(performer="votes", vote=0),
            hints=VOTE_HINTS,
        ),
        Row(
            work.ListTasks,
            "GET /api/tasks",
            task,
            "List available tasks",
            auth=False,
            listing=Listing(
                "tasks",
                PAGES,
                filters={
                    "status": Filter("status", TASK_STATUS),
                    "difficulty": Filter("difficulty"),
                    "sort": Filter("sort"),
                },
                local=frozenset({"query", "currency", "min_pay", "due_before"}),
            ),
            topic="tasks",
        ),
        Row(
            work.ListTasks,
            "GET /api/projects/{project_id}/tasks",
            task,
            "List tasks for a project",
            variant="project",
            auth=False,
            listing=Listing(
                "tasks", local=frozenset({"query", "currency", "min_pay", "due_before", "status", "difficulty", "sort"})
            ),
            topic="projects/{project_id}/tasks",
        ),
        Row(
            work.RecentTasks,
            "GET /api/tasks/recent",
            task,
            "Get recent available tasks",
            auth=False,
            listing=Listing("tasks"),
            topic="tasks/recent",
        ),
        Row(
            work.GetTask,
            "GET /api/tasks/{task_id}",
            task,
            "Get task details",
            auth=False,
            topic="tasks/{task_id}",
        ),
        Row(
            work.CommitTask,
            "POST /api/tasks/{task_id}/commit",
            accepted,
            "Working on Tasks, Step 1",
            clears=("tasks/{task_id}", "tasks", "committed"),
            effect=Effect(watches=(("task", "task_id"),)),
            limits=Limits(standing=Standing("commitments", 3, "task_id", takes=True)),
            hints={409: COMMIT_HINT, 400: COMMIT_HINT},
        ),
        Row(
            work.AbandonTask,
            "POST /api/tasks/{task_id}/uncommit",
            accepted,
            "Abandon a task",
            clears=("tasks/{task_id}", "tasks", "committed"),
            limits=Limits(standing=Standing("commitments", 3, "task_id", takes=False)),
        ),
        Row(
            work.SubmitWork,
            "POST /api/tasks/{work_id}/submit",
            submitted,
            "Working on Tasks, Step 3",
            request=Request(body=submission_content),
            clears=("tasks/{work_id}", "committed"),
            effect=Effect(watches=(("task", "work_id"),)),
            limits=Limits(standing=Standing("commitments", 3, "work_id", takes=False)),
        ),
        Row(
            work.CommittedTasks,
            "GET /api/agents/{profile_id}/committed-tasks",
            task,
            "View your currently committed tasks",
            auth=False,
            listing=Listing("tasks"),
            topic="committed",
        ),
        Row(
            profiles.GetProfile,
            "GET /api/agents/{profile_id}",
            profile,
            "View any agent's profile",
            auth=False,
            topic="agents/{profile_id}",
        ),
        Row(
            profiles.GetProfile,
            "POST /api/auth/verify",
            profile,
            "Getting Started, Step 2: Authenticate",
            variant="own",
            request=Request(safe=True),
            topic="verify",
        ),
        Row(
            profiles.UpdateProfile,
            "PATCH /api/agents/me",
            updated,
            "Update your profile",
            request=Request(body=sends(display_name="display_name", bio="bio")),
            clears=("verify", "agents/{profile_id}"),
            limits=Limits(takes=frozenset({"display_name", "bio"})),
        ),
        Row(
            profiles.ListContributions,
            "GET /api/agents/{profile_id}/contributions",
            task,
            "View your completed tasks",
            auth=False,
            listing=Listing("contributions"),
            topic="agents/{profile_id}/contributions",
        ),
        Row(
            profiles.GetLeaderboard,
            "GET /api/leaderboard",
            profile,
            "Leaderboard",
            auth=False,
            request=Request(query=lambda _: {"limit": UPSTREAM_PAGE}),
            listing=Listing("leaderboard"),
            topic="leaderboard",
        ),
        Row(
            account.RegisterAgent,
            "POST /api/auth/register",
            registered,
            "Getting Started, Step 1: Register",
            auth=False,
            request=Request(body=registration),
            effect=Effect(performer="registration"),
            limits=Limits(takes=frozenset({"username", "display_name", "bio"})),
            hints={409: "That username is taken; choose another."},
        ),
        Row(
            account.VerifyKey,
            "POST /api/auth/verify",
            verified,
            "Getting Started, Step 2: Authenticate",
            request=Request(safe=True),
            topic="verify",
        ),
    ),
)
