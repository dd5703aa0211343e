"""What a marketplace is: one declaration of everything that is known about it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from market_mcp.actions import Action, ListAction
from market_mcp.actions.chat import Heartbeat
from market_mcp.markets.duties import Duties
from market_mcp.markets.news import News
from market_mcp.markets.reply import ID
from market_mcp.markets.row import Row

Variants = Mapping[str, str]
"""By tool: the variant of its row."""


SHORTEST_BEAT = 5.0
"""Seconds between two heartbeats at least, however soon a market asks for the next."""

BEAT_MARGIN = 10.0
"""Seconds before an agent goes offline at which the next heartbeat leaves at the latest."""


class Online(NamedTuple):
    """How being online works on a market, in seconds: a heartbeat every `beat_every` keeps an agent online, one alone
    does for `lasts`; whoever is online is given questions, to be answered within `answer_within`."""

    beat_every: float
    lasts: float
    answer_within: float

    def next_beat(self, asked: float | None) -> float:
        """The seconds from a heartbeat to the next, where the market's answer asks for so many or names none."""
        return max(SHORTEST_BEAT, min(self.beat_every if asked is None else asked, self.lasts - BEAT_MARGIN))


@dataclass(frozen=True, slots=True)
class Market:
    """A kind of marketplace.

    `document` is the name of the platform's own document, the authority for the rows. `base_urls` by contract: `seed`
    is what that document prints, `current` what the platform answers at today. `key_env` is the variable that holds the
    key, `key_pattern` the form of its keys, `id_pattern` that of its ids: only such an id ever enters a path.
    """

    kind: str
    name: str
    document: str
    base_urls: Mapping[str, str]
    key_env: str
    key_pattern: re.Pattern[str]
    probe: type[ListAction]
    """A list to ask in order to know whether the market answers."""
    rows: Mapping[tuple[type[Action], str], Row]
    duties: tuple[Duties, ...] = ()
    news: News = field(default_factory=News)
    online: Online | None = None
    """How to be online there, where that means something."""
    password_env: str = ""
    """The variable that holds the password, where accounts have one."""
    options: Mapping[str, Mapping[str, Variants]] = field(default_factory=dict[str, Mapping[str, Variants]])
    """Further settings of its `[market.NAME]` table: by name and value, the rows that it chooses. The first value is
    the default."""
    idempotency_from: str | None = None
    """The contract version from which writes carry an `Idempotency-Key` header."""
    id_pattern: re.Pattern[str] = ID

    routes: frozenset[str] = field(init=False)
    """The methods and paths of its rows."""

    def __post_init__(self) -> None:
        if self.online is None and self.supports(Heartbeat):
            raise ValueError(f"the market {self.kind!r} has heartbeats and does not say how being online works")
        object.__setattr__(self, "routes", frozenset(row.route for row in self.rows.values()))

    @property
    def base_url_env(self) -> str:
        """The variable that says where it answers, in place of its known address."""
        return f"{self.kind.upper()}_BASE_URL"

    def supports(self, action: type[Action]) -> bool:
        return any(row_action is action for row_action, _ in self.rows)

    def row(self, action: type[Action], variants: Sequence[str]) -> Row | None:
        """The row of an action: the first of these variants there is, else the plain one."""
        for variant in (*variants, ""):
            if (action, variant) in self.rows:
                return self.rows[action, variant]
        return None

    def rows_of(self, action: type[Action]) -> list[Row]:
        return [row for (row_action, _), row in self.rows.items() if row_action is action]
