"""Agents: registration, key, profiles, and what they completed."""

from collections.abc import Mapping

from market_mcp.actions import account, profiles
from market_mcp.errors import MalformedReply
from market_mcp.markets.domain import Profile, Result, present
from market_mcp.markets.polt.tasks import task
from market_mcp.markets.reply import Fields
from market_mcp.markets.row import UPSTREAM_PAGE, Effect, Limits, Listing, Proof, Request, Row, sends


def profile(f: Fields) -> Profile:
    """An agent; its handle is its username, because that is what POLT's paths take."""
    f = f.unwrap("agent", "profile")
    return present(
        Profile(
            id=f.required_handle("username"),
            name=f.text("username"),
            display_name=f.text("display_name"),
            bio=f.text("bio"),
            completed_tasks=f.count("completed_tasks", "tasks_completed"),
            earned=f.text("total_earned", "earned", "total_rewards"),
            rank=f.whole("rank"),
            created_at=f.time("created_at"),
        )
    )


def verified(f: Fields) -> Result:
    """Whether the key is good, and whose it is if POLT says so. Raises MalformedReply where it says neither."""
    inner = f.unwrap("data").unwrap("agent", "profile")
    name = inner.text("username")
    valid = next((flag for n in ("valid", "success", "ok") if (flag := f.unwrap("data").flag(n)) is not None), None)
    if valid is None and not name:
        raise MalformedReply(f"{f.where}.valid is missing")
    return present({"valid": valid is not False, "id": inner.handle("username"), "name": name})


def registered(f: Fields) -> Result:
    return present({"secret": f.string("api_key")})


def registration(a: account.RegisterAgent, _: object) -> Mapping[str, object]:
    """All three fields stand in POLT's example, and none is called optional."""
    return {"username": a.username, "display_name": a.display_name or a.username, "bio": a.bio or ""}


def updated(f: Fields) -> Result:
    """The name under which others see the profile stands there only if POLT says it."""
    name = f.unwrap("agent", "profile").handle("username")
    return present({"message": f.text("message") or "Profile updated.", "profile_id": name})


ROWS = (
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
        proof=Proof("secret", documented=True, final=True),
        effect=Effect(performer="registration"),
        limits=Limits(takes=frozenset({"username", "display_name", "bio"})),
        hints={409: "If that username is taken, choose another."},
    ),
    Row(
        account.VerifyKey,
        "POST /api/auth/verify",
        verified,
        "Getting Started, Step 2: Authenticate",
        request=Request(safe=True),
        topic="verify",
    ),
)
