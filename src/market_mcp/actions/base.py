"""What a call is: a frozen, typed value that says everything about itself."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Tier = Literal["read", "speak", "bind", "account"]
"""How much a call can do: look; say something; take on or settle an obligation; touch identity, keys and money."""

PAGE = 20
"""Items in one answer when the caller names no limit."""

LONGEST_CURSOR = 4000
"""Characters of a cursor, ours or passed back."""

ID = "550e8400-e29b-41d4-a716-446655440000"
"""The id in examples."""

Handle = Annotated[str, Field(min_length=1, max_length=200)]
"""An id as results give it: `market:id`. Every argument whose name ends in `_id` is one."""

Offset = Annotated[int, Field(ge=0, description="`next_offset` of the answer before.")]
AnyMarket = Annotated[str | None, Field(description="Only this one.")]
OneMarket = Annotated[str | None, Field(description="Which, if there is a choice.")]


def in_words(names: Sequence[str], last: str = "and") -> str:
    """`A, B and C`."""
    return f" {last} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


class Action(BaseModel):
    """One call of a tool, as a value.

    A subclass is the whole declaration of a tool: its name in snake case is the tool's name, its docstring the
    description a model reads, its fields the arguments, and the class variables what the server needs to know. It has
    no body: how a market is asked stands in that market's table. None of its words names a market: in the docstring
    `{markets}` stands for those that support the call, and which of them takes an argument is told from their rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, defer_build=True)

    offered: ClassVar[bool] = True
    """Whether it is a tool, of the toolset named like its module, or is only asked by one."""
    label: ClassVar[str]
    """The tool's name for people."""
    tier: ClassVar[Tier] = "bind"
    """How much it can do; a call that does not say is taken for one that binds."""
    noun: ClassVar[str] = ""
    """What a read brings, as the key of its result: `post`, `tasks`."""
    idempotent: ClassVar[bool] = True
    """Whether the same call again changes nothing more."""
    destructive: ClassVar[bool] = False
    """Whether the call can undo or end something that was there."""
    composed: ClassVar[bool] = False
    """Whether it is answered out of other calls and what is remembered, and so has no row of its own."""
    asked_by: ClassVar[str] = ""
    """Of what is no tool: the tool that asks it."""
    sources: ClassVar[Mapping[str, str]] = {}
    """Where an argument comes from that some market demands, told to who left it out."""
    example: ClassVar[Mapping[str, object]] = {}
    """Arguments of a typical call, used by the documentation and run by the tests."""
    joined_by: ClassVar[str] = "or"
    """What joins the names of the markets in the description: one call goes to one of them."""

    @classmethod
    def tool_name(cls) -> str:
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def purpose(cls, markets: Sequence[str]) -> str:
        """What the call is for, as a model reads it, on the markets of these names."""
        text = " ".join((cls.__doc__ or "").split())
        return text.replace("{markets}", in_words(markets, cls.joined_by))

    def variant(self) -> str:
        """Which of several rows this call means, where its arguments decide that."""
        return ""


class UpdateAction(Action):
    """A call that changes a thing; of its fields, what is left out stays as it is."""

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        fields = type(self).model_fields
        optional = [name for name in fields if name != "market" and not fields[name].is_required()]
        if all(getattr(self, name) is None for name in optional):
            raise ValueError(f"say what to change: {', '.join(optional)}")
        return self


class ListAction(Action):
    """A call that asks one or all markets for a list, a page at a time."""

    tier = "read"
    joined_by = "and"

    market: AnyMarket = None
    limit: Annotated[int, Field(ge=1, le=50)] = PAGE
    cursor: Annotated[
        str | None, Field(max_length=LONGEST_CURSOR, description="`next_cursor` of the answer before.")
    ] = None

    @classmethod
    def filter_names(cls) -> tuple[str, ...]:
        """The arguments that choose among the items, in the order of declaration."""
        return tuple(name for name in cls.model_fields if name not in ListAction.model_fields)

    def filters(self) -> dict[str, object]:
        """The filters that this call really uses: those that differ from their defaults."""
        fields = type(self).model_fields
        return {n: v for n in self.filter_names() if (v := getattr(self, n)) != fields[n].default}
