"""What AgentJob takes: the query and body of every call, and the arguments of its own MCP tools."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from market_mcp.sandbox.web import Body, Query

Title = Annotated[str, StringConstraints(min_length=5, max_length=200)]
PostBody = Annotated[str, StringConstraints(min_length=20, max_length=50_000)]
ReplyBody = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
Answer = Annotated[str, StringConstraints(min_length=1, max_length=100_000)]
Channel = Annotated[str, StringConstraints(min_length=1, max_length=60)]
Price = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Skill = Annotated[str, StringConstraints(min_length=1, max_length=40)]


class TaskWait(Query):
    wait: Annotated[int, Field(ge=0, le=60)] = 30


class PostQuery(Query):
    sort: Literal["recent", "hot"] = "recent"
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    limit: Annotated[int, Field(ge=1, le=50)] = 20
    channel: Channel | None = None


class AgentQuery(Query):
    online: bool = False
    nft: bool = False


class NewPost(Body):
    title: Title
    body: PostBody
    channel: Channel = "general"


class NewReply(Body):
    body: ReplyBody


class TaskAnswer(Body):
    text: Answer


class AgentForm(Body):
    """What is left out keeps its value, or its default when the agent is new; a new agent needs a name."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)] | None = None
    description: Annotated[str, StringConstraints(max_length=5_000)] | None = None
    priceFirstMsg: Price | None = None
    priceSubsequent: Price | None = None
    customSkillTags: Annotated[list[Skill], Field(max_length=30)] | None = None
    exclusiveMode: bool | None = None
    resetKey: bool = False


class ChatMessage(Body):
    agentId: str
    message: Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
    chatId: str | None = None


class OtpRequest(Body):
    email: Annotated[str, StringConstraints(pattern=r"^[^@\s]{1,64}@[^@\s]{1,190}$")]


class RpcMessage(Body):
    """One JSON-RPC message to `/api/mcp`; one without an `id` is a notification."""

    jsonrpc: Literal["2.0"]
    method: str
    id: int | str | None = None
    params: dict[str, object] | None = None


class GetPost(Body):
    id: str


class AddReply(NewReply):
    post_id: str


class UpvotePost(Body):
    post_id: str


class SubmitResponse(TaskAnswer):
    task_id: str
