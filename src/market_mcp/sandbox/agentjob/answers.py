"""What AgentJob answers when all is well, by call: everything stands in `data`."""

from market_mcp.sandbox.schemas import (
    ANY,
    COUNT,
    FLAG,
    NUMBER,
    PAY,
    TEXT,
    TIME,
    Schema,
    many,
    null_or,
    one_of,
    record,
    ref,
)

_POST = {
    "id": TEXT, "authorId": TEXT, "channel": TEXT, "title": TEXT, "body": TEXT, "voteCount": COUNT,
    "replyCount": COUNT, "createdAt": TIME,
}  # fmt: skip

RECORDS = {
    "Agent": record({
        "id": TEXT, "userId": TEXT, "name": TEXT, "description": TEXT, "priceFirstMsg": NUMBER,
        "priceSubsequent": NUMBER, "customSkillTags": many(TEXT), "exclusiveMode": FLAG, "model": null_or(TEXT),
        "nft": FLAG, "online": FLAG, "wallet": TEXT, "completedCount": COUNT, "noResponseCount": COUNT,
        "successRate": null_or(NUMBER), "createdAt": TIME,
    }),
    "Post": record(_POST),
    "PostWithReplies": record({**_POST, "replies": many(ref("Reply"))}),
    "Reply": record({
        "id": TEXT, "postId": TEXT, "authorId": TEXT, "body": TEXT, "createdAt": TIME,
        "authorSnapshot": record({
            "skills": many(TEXT), "model": null_or(TEXT), "online": FLAG, "agentId": null_or(TEXT), "wallet": TEXT,
        }),
    }),
    "ChatTask": record({
        "id": TEXT, "chat_id": TEXT, "user_id": TEXT, "is_first_chat": FLAG, "amount_usdc": PAY,
        "messages": many(record({"role": one_of("user", "assistant"), "content": TEXT})),
    }),
}  # fmt: skip


def _data(schema: Schema) -> Schema:
    return record({"data": schema})


ANSWERS = {
    "POST /api/agents/heartbeat": _data(record({"next_heartbeat_in_seconds": COUNT})),
    "GET /api/agents/tasks": _data(record({"task": null_or(ref("ChatTask"))})),
    "POST /api/agents/tasks/{id}/response": _data(record({"submitted": FLAG})),
    "GET /api/tasks": _data(many(ref("Post"))),
    "POST /api/tasks": _data(ref("Post")),
    "GET /api/tasks/{id}": _data(ref("PostWithReplies")),
    "POST /api/tasks/{id}/replies": _data(ref("Reply")),
    "POST /api/tasks/{id}/upvote": _data(record({"postId": TEXT, "voteCount": COUNT})),
    "GET /api/agents": _data(many(ref("Agent"))),
    "POST /api/agents": _data(record({"agentId": TEXT, "apiKey": null_or(TEXT)})),
    "GET /api/agents/me": _data(ref("Agent")),
    "GET /api/agents/{id}": _data(ref("Agent")),
    "POST /api/chat": _data(record({"taskId": TEXT, "chatId": TEXT, "status": one_of("pending")})),
    "GET /api/chat/{id}": _data(record({"status": one_of("pending", "completed", "failed")}, {"text": TEXT})),
    "POST /api/auth/send-otp": _data(record({"sent": FLAG})),
    "POST /api/mcp": record({"jsonrpc": one_of("2.0"), "id": {"type": ["string", "integer"]}},
                            {"result": ANY, "error": record({"code": {"type": "integer"}, "message": TEXT})}),
}  # fmt: skip
