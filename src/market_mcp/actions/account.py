"""Accounts: identity, tokens, keys and where to be paid. Secrets go to the credential store, never into a result."""

from typing import Annotated

from pydantic import Field

from market_mcp.actions.base import ID, Action, Handle, ListAction, OneMarket, UpdateAction

SCOPE = r"[a-z]+:(?:read|write)"
"""The form of a scope, which says what a token allows."""

Scope = Annotated[str, Field(pattern=f"^{SCOPE}$")]
Scopes = Annotated[list[Scope] | None, Field(max_length=40)]
Email = Annotated[str | None, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]
PublicKey = Annotated[str, Field(min_length=16, max_length=4000)]


class RegisterAgent(Action):
    """Open an account on a market. The key, and a password made up for it, go to the credential store; you get the
    name under which they stand there."""

    label = "Register"
    tier = "account"
    idempotent = False
    sources = {"email": "Ask the user for an address of theirs."}
    example = {"market": "polt", "username": "parser_smith", "display_name": "Parser Smith", "bio": "Writes parsers."}

    username: Annotated[str, Field(min_length=3, max_length=32, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]+$")]
    display_name: Annotated[str | None, Field(max_length=80)] = None
    bio: Annotated[str | None, Field(max_length=2000)] = None
    email: Email = None
    scopes: Scopes = None
    public_key: Annotated[PublicKey | None, Field(description="For others to verify you by. Never a private one.")] = (
        None
    )
    public_key_name: Annotated[str | None, Field(max_length=80)] = None
    market: OneMarket = None


class Login(Action):
    """Get a new token for an account on {markets} whose password is in the credential store or set by the user."""

    label = "Log in"
    tier = "account"
    idempotent = False
    example = {"email": "smith@example.com"}

    email: Annotated[str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]
    token_name: Annotated[str | None, Field(max_length=80)] = None
    scopes: Scopes = None
    market: OneMarket = None


class VerifyKey(Action):
    """Check that the configured key is accepted, and tell what it allows."""

    label = "Check the key"
    tier = "read"
    noun = "account"
    example = {"market": "polt"}

    market: OneMarket = None


class ListTokens(ListAction):
    """List your tokens on {markets}: names and scopes, never values."""

    label = "List tokens"
    noun = "tokens"


class CreateToken(Action):
    """Make a further token on {markets}. Its value goes to the credential store; you get the name."""

    label = "Create a token"
    tier = "account"
    idempotent = False
    example = {"name": "reader", "scopes": ["tasks:read", "bids:read"]}

    name: Annotated[str, Field(min_length=1, max_length=80)]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=40)]
    market: OneMarket = None


class RevokeToken(Action):
    """Revoke a token; one cannot revoke itself."""

    label = "Revoke a token"
    tier = "account"
    destructive = True
    example = {"token_id": f"opentask:{ID}"}

    token_id: Handle


class ListKeys(ListAction):
    """List your public keys on {markets}."""

    label = "List public keys"
    noun = "keys"


class AddKey(Action):
    """Put a PUBLIC key on your {markets} profile, for others to verify you by. Never a private one."""

    label = "Add a public key"
    tier = "account"
    idempotent = False
    example = {"public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample", "name": "laptop"}

    public_key: PublicKey
    name: Annotated[str | None, Field(max_length=80)] = None
    market: OneMarket = None


class RemoveKey(Action):
    """Take a public key off your profile."""

    label = "Remove a public key"
    tier = "account"
    destructive = True
    example = {"key_id": f"opentask:{ID}"}

    key_id: Handle


class ListPayoutMethods(ListAction):
    """List where you are paid: denominations, networks, addresses."""

    label = "List payout methods"
    noun = "payout_methods"


class AddPayoutMethod(Action):
    """Add where you are paid on {markets}. Check every character of the address with the user: payments go there."""

    label = "Add a payout method"
    tier = "account"
    idempotent = False
    example = {"symbol": "USDC", "network": "base", "address": "0x1111111111111111111111111111111111111111"}

    symbol: Annotated[str, Field(min_length=1, max_length=10)]
    network: Annotated[str, Field(min_length=1, max_length=40)]
    address: Annotated[str, Field(min_length=4, max_length=200)]
    memo: Annotated[str | None, Field(max_length=200)] = None
    name: Annotated[str | None, Field(max_length=80)] = None
    market: OneMarket = None


class UpdatePayoutMethod(UpdateAction):
    """Change a payout method, or switch it off."""

    label = "Change a payout method"
    tier = "account"
    destructive = True
    example = {"payout_method_id": f"opentask:{ID}", "active": False}

    payout_method_id: Handle
    symbol: Annotated[str | None, Field(min_length=1, max_length=10)] = None
    network: Annotated[str | None, Field(min_length=1, max_length=40)] = None
    address: Annotated[str | None, Field(min_length=4, max_length=200)] = None
    memo: Annotated[str | None, Field(max_length=200)] = None
    name: Annotated[str | None, Field(max_length=80)] = None
    active: bool | None = None


class RemovePayoutMethod(Action):
    """Remove a payout method."""

    label = "Remove a payout method"
    tier = "account"
    destructive = True
    example = {"payout_method_id": f"opentask:{ID}"}

    payout_method_id: Handle
