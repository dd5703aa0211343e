"""Accounts: registration, tokens, public keys, payout methods, profiles."""

from collections.abc import Mapping
from typing import Any

from market_mcp.actions import account, profiles
from market_mcp.errors import BadCall
from market_mcp.markets.domain import Profile, Result, present
from market_mcp.markets.opentask.contracts import review
from market_mcp.markets.opentask.tasks import CURSOR
from market_mcp.markets.reply import Fields
from market_mcp.markets.row import Effect, Limits, Listing, Proof, Quota, Request, Row, sends

ME = "/api/agent/me"
STATS = ("tasksPosted", "activeBids", "contractsAsBuyer", "contractsAsSeller", "averageRating", "reviewCount")
"""SKILL.md, Agent profiles: the statistics that there are."""
TOKENS = "API token self-management"
PAYOUT = "Payout methods"
PROFILES = "Agent profiles"


def profile(f: Fields) -> Profile:
    inner = f.unwrap("profile")
    stats = f.object("stats")
    return present(
        Profile(
            id=inner.required_handle("id"),
            name=inner.text("handle"),
            display_name=inner.text("displayName"),
            kind=inner.text("kind"),
            bio=inner.text("bio"),
            skills=inner.tags("tags"),
            links=inner.texts("links", "url", "href"),
            availability=inner.text("availability"),
            stats={name: number for name in STATS if (number := stats.number(name)) is not None} if stats else None,
            created_at=inner.time("createdAt"),
        )
    )


def verified(f: Fields) -> Result:
    found = profile(f)
    return present({"valid": True, "id": found["id"], "name": found.get("name")})


def denominations(f: Fields) -> list[Result]:
    """What a seller can be hired with; the address stays the seller's until then."""
    return f.required_each(
        "payoutMethods",
        lambda p: present({"id": p.handle("id"), "symbol": p.text("symbol"), "network": p.text("network")}),
    )


def updated(f: Fields) -> Result:
    inner = f.shown("profile")
    return present({"profile": inner and profile(inner), "message": "Profile updated."})


def tokened(f: Fields) -> Result:
    token = f.object("token") or Fields({}, f.market)
    owner = f.object("profile") or Fields({}, f.market)
    return present(
        {
            "profile_id": owner.handle("id"),
            "handle": owner.text("handle"),
            "token_id": token.handle("id"),
            "token_name": token.text("name"),
            "scopes": token.texts("scopes"),
            "secret": f.string("tokenValue"),
        }
    )


def token(f: Fields) -> Result:
    return present(
        {
            "id": f.required_handle("id"),
            "name": f.text("name"),
            "scopes": f.texts("scopes"),
            "created_at": f.time("createdAt"),
        }
    )


def key(f: Fields) -> Result:
    f = f.unwrap("key")
    return present(
        {
            "id": f.required_handle("id"),
            "name": f.text("label"),
            "public_key": f.text("publicKey"),
            "created_at": f.time("createdAt"),
        }
    )


def payout_method(f: Fields) -> Result:
    f = f.unwrap("payoutMethod")
    return present(
        {
            "id": f.required_handle("id"),
            "symbol": f.text("symbol"),
            "network": f.text("network"),
            "address": f.text("address"),
            "memo": f.text("memo"),
            "name": f.text("label"),
            "active": f.flag("isActive"),
        }
    )


def saved_key(f: Fields) -> Result:
    inner = f.shown("key")
    return present({"key": inner and key(inner), "message": "Key added."})


def saved_method(f: Fields) -> Result:
    inner = f.shown("payoutMethod")
    return present({"payout_method": inner and payout_method(inner), "message": "Payout method saved."})


def removed(f: Fields) -> Result:
    """A removal need show nothing; if it shows the thing, it is to be the right one."""
    inner = f.shown("token", "key", "payoutMethod")
    return present({"message": "Removed.", "removed": inner and inner.handle("id")})


def registration(a: account.RegisterAgent, seen: Mapping[str, Any]) -> Mapping[str, Any]:
    """SKILL.md: a handle is alphanumeric and underscore. Raises BadCall for one that is not."""
    if "-" in a.username:
        raise BadCall("OpenTask takes letters, digits and underscores in `username`, and no hyphen.")
    return present(
        {
            "email": a.email,
            "password": seen["password"],
            "handle": a.username,
            "displayName": a.display_name,
            "tokenScopes": a.scopes,
            "publicKey": a.public_key,
            "publicKeyLabel": a.public_key_name,
        }
    )


def login(a: account.Login, seen: Mapping[str, Any]) -> Mapping[str, Any]:
    return present({"email": a.email, "password": seen["password"], "tokenName": a.token_name, "tokenScopes": a.scopes})


SECRET = Proof("secret", documented=True, final=True)
METHOD = sends(symbol="symbol", network="network", address="address", memo="memo", label="name", isActive="active")

ROWS = (
    Row(
        account.RegisterAgent,
        "POST /api/agent/register",
        tokened,
        "Agent self-registration",
        auth=False,
        request=Request(body=registration),
        proof=SECRET,
        effect=Effect(performer="registration"),
        limits=Limits(
            needs=("email",),
            takes=frozenset({"username", "display_name", "email", "scopes", "public_key", "public_key_name"}),
            quota=Quota("registrations", 5, 60),
        ),
        hints={409: "If that e-mail address is taken, log in; if the handle is, choose another."},
    ),
    Row(
        account.Login,
        "POST /api/agent/login",
        tokened,
        "Agent login",
        auth=False,
        request=Request(body=login),
        proof=SECRET,
        effect=Effect(performer="registration"),
        limits=Limits(quota=Quota("logins", 10, 60)),
        hints={401: "If no account has that e-mail address yet, register_agent opens one."},
    ),
    Row(
        account.VerifyKey,
        f"GET {ME}",
        verified,
        PROFILES,
        scope="profile:read",
        topic="me",
    ),
    Row(
        profiles.GetProfile,
        f"GET {ME}",
        profile,
        PROFILES,
        variant="own",
        scope="profile:read",
        topic="me",
    ),
    Row(
        profiles.GetProfile,
        "GET /api/profiles/{profile_id}",
        profile,
        PROFILES,
        auth=False,
        topic="profiles/{profile_id}",
        also={
            "payout_methods": Row(
                profiles.GetProfile,
                "GET /api/profiles/{profile_id}/payout-methods",
                denominations,
                PAYOUT,
                auth=False,
                topic="profiles/{profile_id}/payout-methods",
            )
        },
    ),
    Row(
        profiles.UpdateProfile,
        f"PATCH {ME}",
        updated,
        PROFILES,
        scope="profile:write",
        request=Request(
            body=sends(displayName="display_name", bio="bio", tags="skills", links="links", availability="availability")
        ),
        clears=("me", "profiles/{profile_id}"),
        proof=Proof("profile"),
    ),
    Row(
        profiles.ListReviews,
        "GET /api/profiles/{profile_id}/reviews",
        review,
        "12) Public reviews about a profile",
        variant="profile",
        auth=False,
        listing=Listing("reviews", CURSOR),
        topic="profiles/{profile_id}/reviews",
    ),
    Row(
        account.ListTokens,
        f"GET {ME}/tokens",
        token,
        TOKENS,
        scope="tokens:read",
        listing=Listing("tokens", CURSOR),
        topic="tokens",
    ),
    Row(
        account.CreateToken,
        f"POST {ME}/tokens",
        tokened,
        TOKENS,
        scope="tokens:write",
        request=Request(body=sends(name="name", scopes="scopes")),
        clears=("tokens",),
        proof=SECRET,
        effect=Effect(performer="registration"),
    ),
    Row(
        account.RevokeToken,
        f"DELETE {ME}/tokens/{{token_id}}",
        removed,
        TOKENS,
        scope="tokens:write",
        clears=("tokens",),
        proof=Proof(same={"removed": "token_id"}),
        hints={409: "If it is the token in use, it cannot revoke itself."},
    ),
    Row(
        account.ListKeys,
        f"GET {ME}/keys",
        key,
        "Agent keys",
        scope="keys:read",
        listing=Listing("keys", CURSOR),
        topic="keys",
    ),
    Row(
        account.AddKey,
        f"POST {ME}/keys",
        saved_key,
        "Agent keys",
        scope="keys:write",
        request=Request(body=sends(publicKey="public_key", label="name")),
        clears=("keys",),
        proof=Proof("key"),
    ),
    Row(
        account.RemoveKey,
        f"DELETE {ME}/keys/{{key_id}}",
        removed,
        "Agent keys",
        scope="keys:write",
        clears=("keys",),
        proof=Proof(same={"removed": "key_id"}),
    ),
    Row(
        account.ListPayoutMethods,
        f"GET {ME}/payout-methods",
        payout_method,
        PAYOUT,
        scope="profile:read",
        listing=Listing("payoutMethods", CURSOR),
        topic="payout-methods",
    ),
    Row(
        account.AddPayoutMethod,
        f"POST {ME}/payout-methods",
        saved_method,
        PAYOUT,
        scope="profile:write",
        request=Request(body=METHOD),
        proof=Proof("payout_method"),
        clears=("payout-methods",),
    ),
    Row(
        account.UpdatePayoutMethod,
        f"PATCH {ME}/payout-methods/{{payout_method_id}}",
        saved_method,
        PAYOUT,
        scope="profile:write",
        request=Request(body=METHOD),
        proof=Proof("payout_method", same={"payout_method.id": "payout_method_id"}),
        clears=("payout-methods",),
    ),
    Row(
        account.RemovePayoutMethod,
        f"DELETE {ME}/payout-methods/{{payout_method_id}}",
        removed,
        PAYOUT,
        scope="profile:write",
        proof=Proof(same={"removed": "payout_method_id"}),
        clears=("payout-methods",),
    ),
)
