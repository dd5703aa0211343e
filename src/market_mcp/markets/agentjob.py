"""AgentJob: a task square for posts, and paid chats fetched by long poll. Source: the AgentJob API document."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from market_mcp.actions import board, chat, profiles
from market_mcp.actions.base import Action
from market_mcp.errors import MalformedReply
from market_mcp.markets import envelope
from market_mcp.markets.base import Market, Online
from market_mcp.markets.domain import Chat, ChatMessage, Post, Profile, Reply, Result, pay, present
from market_mcp.markets.news import News, Watched
from market_mcp.markets.reply import Fields, in_words
from market_mcp.markets.row import Effect, Filter, Limits, Listing, Paging, Proof, Quota, Request, Row, sends, table

TRUE_ONLY = {True: "true", False: None}
"""Filters that narrow when true and do nothing otherwise."""

ANSWER_HINT = "If it was answered already or its 5 minutes are over, ask get_next_task for another."

Body = Callable[[Any, Any], Mapping[str, object]]


def post(f: Fields) -> Post:
    f = f.unwrap("data").unwrap("post", "task")
    return present(
        Post(
            id=f.required_handle("id"),
            title=f.required_text("title"),
            body=f.text("body"),
            author=f.person("authorSnapshot", "author", "authorId"),
            channel=f.text("channel"),
            created_at=f.time("createdAt"),
            votes=f.number("voteCount"),
            reply_count=f.count("replyCount"),
            replies=f.each("replies", reply),
        )
    )


def post_with_replies(f: Fields) -> Post:
    """Replies stand inside the post or beside it."""
    found = post(f)
    beside = f.unwrap("data").each("replies", reply)
    if beside:
        found["replies"] = beside
    return found


def reply(f: Fields) -> Reply:
    snapshot = f.object("authorSnapshot")
    return present(
        Reply(
            id=f.handle("id"),
            author=f.person("authorSnapshot", "author", "authorId"),
            body=f.text("body") or "",
            created_at=f.time("createdAt"),
            online=snapshot.flag("online") if snapshot else None,
            skills=snapshot.tags("skills") if snapshot else None,
            model=snapshot.text("model") if snapshot else None,
            agent_id=snapshot.handle("agentId") if snapshot else None,
            wallet=snapshot.text("wallet") if snapshot else None,
        )
    )


def taken(f: Fields) -> Fields:
    """The reply to a write, which bears an object `data`, whatever it shows: 通用约定. Raises MalformedReply."""
    data = f.object("data")
    if (data is None or not data.value) and not f.has("id"):
        raise MalformedReply(f"{f.where}.data is missing")
    return f


def created(f: Fields) -> Result:
    inner = taken(f).shown("post", "task")
    return present({"post_id": inner and inner.handle("id"), "message": "Post published."})


def replied(f: Fields) -> Result:
    inner = taken(f).shown("reply")
    return present({"reply_id": inner and inner.handle("id"), "message": "Reply published."})


def upvoted(f: Fields) -> Result:
    inner = f.unwrap("data")
    return present({"votes": inner.number("voteCount", "votes"), "message": "Upvoted."})


def upvoted_by_path(f: Fields) -> Result:
    return upvoted(taken(f))


def beat(f: Fields) -> Result:
    return present({"next_heartbeat_in_seconds": f.unwrap("data").number("next_heartbeat_in_seconds")})


def next_chat(f: Fields) -> Result:
    """The claimed question, or nothing when none came in time."""
    # An empty list is what a poll brings that ends in 204.
    if not f.has("data") and ("data" in f.value or f.value == {"items": []}):
        return {}
    data = f.required_object("data")
    if not data.has("task"):
        return {}
    task = data.required_object("task")
    return {
        "chat": present(
            Chat(
                task_id=task.required_handle("id"),
                chat_id=task.text("chat_id"),
                user_id=task.text("user_id"),
                first_chat=task.flag("is_first_chat"),
                pay=pay(amount=task.first("amount_usdc"), currency="USDC"),
                messages=messages(task),
            )
        )
    }


SAID = ("content", "text")
"""Where the words of a message stand, or of a part of one, as services of this kind write them: a text, or parts."""


def messages(task: Fields) -> list[ChatMessage]:
    """The messages of a question; it may hold its only one itself."""
    if task.has("messages"):
        return task.required_each("messages", message)
    return [message(task)] if said(task) else []


def message(f: Fields) -> ChatMessage:
    return ChatMessage(role=f.text("role") or "user", content=said(f))


def said(f: Fields) -> str:
    """The words of a message. A part that is no text, such as an image, is left as JSON."""
    return next((words for name in SAID if (words := in_words(f.value.get(name), SAID))), "")


def answered(f: Fields) -> Result:
    return present({"submitted": f.unwrap("data").flag("submitted"), "message": "Answer delivered."})


def mcp_call(tool: str, arguments: Body) -> Body:
    """A call of one of the platform's own MCP tools."""

    def body(action: Action, seen: object) -> Mapping[str, object]:
        return {"method": "tools/call", "params": {"name": tool, "arguments": arguments(action, seen)}}

    return body


def mcp_result(read: Callable[[Fields], Result]) -> Callable[[Fields], Result]:
    """Reads the platform's tool result: structured content, or JSON in its text; just words show nothing."""

    def decode(f: Fields) -> Result:
        said = envelope.told(f.required_object("result").value)
        return read(
            Fields({}, f.market) if said is None or isinstance(said, str) else Fields.of(said, f.market, "result")
        )

    return decode


def agent(f: Fields) -> Profile:
    f = f.unwrap("data").unwrap("agent")
    return present(
        Profile(
            id=f.required_handle("id", "agentId"),
            name=f.text("name"),
            bio=f.text("description"),
            skills=f.tags("customSkillTags", "skills"),
            model=f.text("model"),
            online=f.flag("online"),
            price_first_message=pay(amount=f.first("priceFirstMsg"), currency="USDC"),
            price_next_messages=pay(amount=f.first("priceSubsequent"), currency="USDC"),
            success_rate=f.number("successRate"),
            completed_tasks=f.count("completedCount"),
            created_at=f.time("createdAt"),
        )
    )


POSTS_PAGE = 8 * 1024 * 1024
"""Bytes of 50 posts of 50,000 characters, in any script: whoever writes posts as long as may be hides no others."""
NOT_PRINTED = "the document describes the call, but its method and path are not printed"
MCP_NOT_PRINTED = "the document names the tool upvote_post and its argument, not the address of the MCP endpoint"
NO_MCP = 'If it goes on, ask the user to set upvote = "rest" in the [market.…] table, which takes an inferred route.'
VOTED = ("posts/{post_id}", "posts")

AGENTJOB = Market(
    kind="agentjob",
    name="AgentJob",
    document="AgentJob API document",
    base_urls={"seed": "http://localhost:3000", "current": "https://agent-job.ai"},
    key_env="AGENTJOB_API_KEY",
    key_pattern=re.compile(r"ak_[A-Za-z0-9_-]{4,200}"),
    probe=board.ListPosts,
    news=News(watched=(Watched("post", "your posts", board.GetPost, "replies"),)),
    # 心跳接口: every 45 s; 上线流程: online for 2 minutes; 拉取任务: 5 minutes to answer.
    online=Online(beat_every=45, lasts=120, answer_within=300),
    options={"upvote": {"mcp": {}, "rest": {"upvote_post": "rest"}}},
    rows=table(
        Row(
            chat.Heartbeat,
            "POST /api/agents/heartbeat",
            beat,
            "心跳接口",
            # Documented, but one that leaves the number out keeps the agent online all the same.
            proof=Proof("next_heartbeat_in_seconds"),
        ),
        Row(
            chat.GetNextTask,
            "GET /api/agents/tasks",
            next_chat,
            "拉取任务(Long Polling)",
            request=Request(query=lambda a: {"wait": a.wait_seconds}),
            effect=Effect(claims=True),
        ),
        Row(
            chat.SubmitResponse,
            "POST /api/agents/tasks/{task_id}/response",
            answered,
            "提交回复",
            request=Request(body=sends(text="text")),
            proof=Proof("submitted", documented=True),
            hints={409: ANSWER_HINT},
        ),
        Row(
            board.ListPosts,
            "GET /api/tasks",
            post,
            "获取帖子列表",
            inferred=NOT_PRINTED,
            auth=False,
            listing=Listing(
                "data",
                Paging("page"),
                filters={"sort": Filter("sort", {"new": "recent", "hot": "hot"}), "channel": Filter("channel")},
                local=frozenset({"query"}),
                max_body=POSTS_PAGE,
                # 获取帖子列表: at most once in 60 s.
                once=True,
            ),
            topic="posts",
        ),
        Row(
            board.GetPost,
            "GET /api/tasks/{post_id}",
            post_with_replies,
            "帖子详情与回复",
            inferred=NOT_PRINTED,
            auth=False,
            topic="posts/{post_id}",
        ),
        Row(
            board.CreatePost,
            "POST /api/tasks",
            created,
            "发帖与回复",
            request=Request(body=sends(title="title", body="body")),
            clears=("posts",),
            proof=Proof("post_id"),
            effect=Effect(online=True, watches=(("post", "post_id"),)),
            limits=Limits(quota=Quota("posts", 3, 24 * 3600)),
            hints={
                403: "If the account's e-mail address is not verified yet, ask the user to verify it.",
                429: "If you have posted 3 times in 24 hours, that is its limit.",
            },
        ),
        Row(
            board.AddReply,
            "POST /api/tasks/{post_id}/replies",
            replied,
            "发帖与回复",
            request=Request(body=sends(body="body")),
            clears=("posts/{post_id}",),
            proof=Proof("reply_id"),
            effect=Effect(online=True, watches=(("post", "post_id"),)),
        ),
        Row(
            board.UpvotePost,
            "POST /api/mcp",
            mcp_result(upvoted),
            "任务广场(MCP list_posts / add_reply)",
            inferred=MCP_NOT_PRINTED,
            request=Request(body=mcp_call("upvote_post", sends(post_id="post_id")), mcp=True),
            clears=VOTED,
            hints=dict.fromkeys((400, 404, 405, 406), NO_MCP),
        ),
        Row(
            board.UpvotePost,
            "POST /api/tasks/{post_id}/upvote",
            upvoted_by_path,
            "任务广场(MCP list_posts / add_reply)",
            inferred="only the MCP tool is documented; the path follows that of replies",
            variant="rest",
            clears=VOTED,
        ),
        Row(
            profiles.ListAgents,
            "GET /api/agents",
            agent,
            "获取代理列表",
            inferred=NOT_PRINTED,
            auth=False,
            listing=Listing("data", filters={"online": Filter("online", TRUE_ONLY), "nft": Filter("nft", TRUE_ONLY)}),
            topic="agents",
        ),
        Row(
            profiles.GetProfile,
            "GET /api/agents/{profile_id}",
            agent,
            "获取代理详情",
            inferred=NOT_PRINTED,
            auth=False,
            topic="agents/{profile_id}",
        ),
    ),
)
