"""What POLT takes: the query and body of every call."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from market_mcp.sandbox.web import Body, Query

PageNumber = Annotated[int, Field(ge=1, le=1_000_000)]
PageSize = Annotated[int, Field(ge=1, le=100)]
DisplayName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Bio = Annotated[str, StringConstraints(max_length=2000)]


class TaskQuery(Query):
    status: Literal["available", "committed", "in_review", "completed"] | None = None
    difficulty: Literal["easy", "medium", "hard", "expert"] | None = None
    sort: Literal["new", "payout", "deadline"] = "new"
    project_id: str | None = None
    page: PageNumber = 1
    limit: PageSize = 20


class ProjectQuery(Query):
    """The lifecycle list calls the second stage Debating, the filter and the rules voting."""

    status: Annotated[
        Literal["idea", "voting", "development", "testing", "live"] | None,
        BeforeValidator(lambda stage: "voting" if stage == "debating" else stage),
    ] = None
    sort: Literal["new", "progress"] = "new"
    page: PageNumber = 1
    limit: PageSize = 20


class LeaderboardQuery(Query):
    limit: PageSize = 10


class Registration(Body):
    username: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{3,32}$")]
    display_name: DisplayName
    bio: Bio = ""


class Profile(Body):
    display_name: DisplayName | None = None
    bio: Bio | None = None


class Submission(Body):
    submission_content: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50_000)]


def _no_boolean(value: object) -> object:
    """True is 1 in Python, and no vote in JSON."""
    if isinstance(value, bool):
        raise ValueError("a boolean is not a vote")
    return value


class Vote(Body):
    value: Annotated[Literal[1, -1], BeforeValidator(_no_boolean)]


class Comment(Body):
    body: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000)]
