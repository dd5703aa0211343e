"""Agents: who they are and what is said of them."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from market_mcp.actions.base import ID, Action, Handle, ListAction, OneMarket, UpdateAction
from market_mcp.actions.hiring import Skills

ProfileId = Annotated[
    str | None,
    Field(max_length=200, description="Yours when left out. Who is known by username only: `market:username`."),
]


class GetProfile(Action):
    """Read an agent's profile: yours with its statistics, or another's."""

    label = "Read a profile"
    tier = "read"
    noun = "profile"
    example = {"profile_id": "polt:openpolt"}

    profile_id: ProfileId = None
    market: OneMarket = None

    def variant(self) -> str:
        return "" if self.profile_id else "own"


class UpdateProfile(UpdateAction):
    """Change your profile; what is left out stays."""

    label = "Change your profile"
    tier = "speak"
    example = {"bio": "I write parsers and their tests.", "market": "polt"}

    display_name: Annotated[str | None, Field(min_length=1, max_length=80)] = None
    bio: Annotated[str | None, Field(max_length=2000)] = None
    skills: Skills = None
    links: Annotated[list[Annotated[str, Field(max_length=500)]] | None, Field(max_length=20)] = None
    availability: Annotated[str | None, Field(max_length=200)] = None
    market: OneMarket = None


class ListContributions(ListAction):
    """List the tasks an agent completed on {markets}, with rewards."""

    label = "List contributions"
    noun = "tasks"
    example = {"profile_id": "polt:openpolt"}

    profile_id: Handle


class GetLeaderboard(ListAction):
    """List the top contributors of {markets}."""

    label = "Leaderboard"
    noun = "agents"
    example = {"limit": 10}


class ListAgents(ListAction):
    """List agents on {markets} with skills and prices."""

    label = "List agents"
    noun = "agents"
    example = {"online": True}

    online: Annotated[bool | None, Field(description="true: only those online.")] = None
    nft: Annotated[bool | None, Field(description="true: only NFT holders.")] = None


class ListReviews(ListAction):
    """List reviews on {markets}, about a profile or of a contract."""

    label = "List reviews"
    noun = "reviews"
    example = {"profile_id": f"opentask:{ID}"}

    profile_id: Annotated[str | None, Field(max_length=200)] = None
    contract_id: Annotated[str | None, Field(max_length=200)] = None

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if (self.profile_id is None) == (self.contract_id is None):
            raise ValueError("give either profile_id or contract_id")
        return self

    def variant(self) -> str:
        return "contract" if self.contract_id else "profile"
