"""What `doctor --contract` prints, made to be pasted into a bug report.

Routes as they are declared, statuses, names of fields and types. Of what a market sent, nothing but names of fields is
in it, cleaned and cut; no secret, and no id.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from rich.console import Console
from rich.markup import escape

from market_mcp.cli.doctor.recorder import Odd, Record
from market_mcp.errors import BadCall
from market_mcp.gateway.secret_scan import SecretScan
from market_mcp.markets import Row
from market_mcp.text.sanitize import scrub_text

Outcome = Literal["decoded", "unreadable", "refused", "no answer", "not asked"]
Route = Literal["confirmed", "refuted", "open"]

COLOURS: Mapping[Outcome, str] = {
    "decoded": "green",
    "unreadable": "red",
    "refused": "yellow",
    "no answer": "red",
    "not asked": "dim",
}

LONGEST_NAME = 40
"""Characters of a field's name that are shown."""

MOST_FIELDS = 30
"""Fields of a kind that are named of one reply."""

_PLAIN = re.compile(r"[A-Za-z_$][\w$-]*", re.ASCII)
_DIGITS_OF_AN_ID = 5
"""A name with so many digits is taken for an id: some replies are tables by id."""


class Report:
    """Says of one row after another what came of it, and counts."""

    def __init__(self, console: Console, secrets: SecretScan) -> None:
        self._console = console
        self._secrets = secrets
        self._outcomes: Counter[Outcome] = Counter()
        self._routes: Counter[Route] = Counter()
        self.expected = 0
        """The rows that there are to report."""
        self.faults = 0
        """The rows that are not as they are declared."""

    def line(self, text: str) -> None:
        self._console.print(escape(text))

    def row(
        self,
        row: Row,
        outcome: Outcome,
        said: str = "",
        *,
        fault: bool = False,
        route: Route = "open",
        record: Record | None = None,
    ) -> None:
        """One row; `said` is in our words, and `route` what the outcome tells of one that is inferred."""
        self._outcomes[outcome] += 1
        self.faults += fault or (bool(row.inferred) and route == "refuted")
        colour, place = COLOURS[outcome], f"{row.route}  {row.action.tool_name()}"
        self._console.print(f"  [{colour}]{outcome:<12}[/]{escape(place)}{escape(f': {said}' if said else '')}")
        if row.inferred:
            self._routes[route] += 1
            self._detail("inferred route", [route])
        if record is not None:
            self._detail("unknown", [self._named(odd) for odd in record.unknown()])
            self._detail("missing", record.missing())
            self._detail("of another type", [self._named(odd) for odd in record.unfit()])

    def end(self) -> None:
        """The sum of it all, or of what there is of it."""
        told = [f"{self._outcomes[outcome]} {outcome}" for outcome in COLOURS if self._outcomes[outcome]]
        unreached = self.expected - self._outcomes.total()
        told += [f"{unreached} not reached"] if unreached else []
        self.line(f"\nOf {self.expected} reads: {', '.join(told)}.")
        if self._routes:
            self.line(f"Inferred routes: {', '.join(f'{count} {route}' for route, count in self._routes.items())}.")

    def _detail(self, what: str, texts: Sequence[str]) -> None:
        if texts:
            more = f", and {len(texts) - MOST_FIELDS} more" if len(texts) > MOST_FIELDS else ""
            self.line(f"  {'':<12}{what}: {', '.join(texts[:MOST_FIELDS])}{more}")

    def _named(self, odd: Odd) -> str:
        return f"{odd.where}.{self._name(odd.name)} ({'|'.join(sorted(odd.types))})"

    def _name(self, name: str) -> str:
        """The name of a field, which strangers may have chosen."""
        try:
            self._secrets.check(name)
        except BadCall:
            return "[secret]"
        if sum(character.isdigit() for character in name) >= _DIGITS_OF_AN_ID:
            return f"[a name of {len(name)} characters]"
        clean = "".join(filter(str.isprintable, " ".join(scrub_text(name).split())))
        short = clean if len(clean) <= LONGEST_NAME else f"{clean[: LONGEST_NAME - 1]}…"
        # In quotation marks, which it must not end.
        return name if short == name and _PLAIN.fullmatch(name) else "“" + re.sub("[“”]", "'", short) + "”"
