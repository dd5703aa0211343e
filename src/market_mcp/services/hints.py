"""Advice that names only tools there are: who is told to use a tool that he was not given is led nowhere."""

import re
from collections.abc import Iterable
from typing import Any, cast

from market_mcp.actions import TOOLSETS, Action
from market_mcp.errors import CallError
from market_mcp.markets.domain import Result
from market_mcp.text.sanitize import UNTRUSTED

NO_TOOL = "no tool offered here does this; tell the user"
"""In the place of a duty's next tool, where that is not offered."""

_TOOLS = frozenset(action.tool_name() for actions in TOOLSETS.values() for action in actions)
_QUOTED = re.compile("“[^”]*”")
_WORD = re.compile(r"`(\w+)`|\b([a-z]+(?:_[a-z]+)+)\b")
"""What can name a tool: a word in backticks, or one with underscores, which is no word of prose."""


class Hints:
    """Leaves out of our own sentences those that name a tool which is not among the `offered`."""

    def __init__(self, offered: Iterable[type[Action]]) -> None:
        self._absent = _TOOLS - {action.tool_name() for action in offered}

    def tell(self, text: str) -> str:
        """The text without the sentences, and parts between semicolons, that name such a tool.

        A market's words, which stand in quotation marks, name nothing and stay.
        """
        if not self._names_absent(text):
            return text
        quotes = iter(_QUOTED.findall(text))
        kept: list[str] = []
        for sentence in re.split(r"(?<=[.!?])\s+", _QUOTED.sub("“”", text)):
            whole = re.sub("“”", lambda _: next(quotes), sentence)
            if "“”" in sentence or not self._names_absent(sentence):
                kept.append(whole)
            else:
                clauses = [clause for clause in sentence.rstrip(".").split("; ") if not self._names_absent(clause)]
                if clauses:
                    kept.append(f"{clauses[0][:1].upper()}{'; '.join(clauses)[1:]}.")
        return " ".join(kept)

    def advise(self, error: CallError) -> None:
        """Leaves such sentences out of an error; what it quotes of a market below the label stays as it is."""
        advice, label, theirs = error.next.partition(UNTRUSTED)
        error.next = f"{self.tell(advice).strip()} {label}{theirs}".strip()
        error.message = self.tell(error.message) or error.message

    def followable(self, content: Result) -> Result:
        """A result whose advice can be followed: its message, why a market was left out, what comes next for a duty."""
        followable = dict(content)
        if isinstance(content.get("message"), str):
            followable["message"] = self.tell(content["message"]) or content["message"]
        for part in ("skipped", "left_out"):
            if part in content:
                reasons = cast("dict[str, str]", content[part])
                followable[part] = {name: self.tell(reason) or reason for name, reason in reasons.items()}
        if "work" in content:
            duties = cast("list[dict[str, Any]]", content["work"])
            followable["work"] = [
                duty | {"next": NO_TOOL} if duty.get("next") in self._absent else duty for duty in duties
            ]
        return followable

    def _names_absent(self, text: str) -> bool:
        return any((ticked or plain) in self._absent for ticked, plain in _WORD.findall(_QUOTED.sub("", text)))
