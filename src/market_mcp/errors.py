"""Everything that goes wrong here, as one tree.

MarketMcpError
├── ConfigError            the settings cannot be used; said at start, before anything runs
├── MalformedReply         a market's answer is not what its contract says (becomes one of those below)
└── CallError              one call failed; the text is written for the model that made it
    ├── BadCall            the arguments cannot be used; nothing was sent
    ├── TooSoon            the polling interval holds this back; nothing was sent
    ├── Refused            the market answered, and said no; nothing was changed
    ├── Unavailable        no usable answer, and nothing can have been changed
    ├── StateUnavailable   the state file cannot be read or written now
    ├── OutcomeUnknown     a write left, and whether it took effect is not known
    ├── HeldBack           the market has it, and it does not count there yet
    ├── Halfway            the market did a part, and refused the rest
    └── NotKept            a key was made, and could not be stored
"""

from typing import Literal

Effect = Literal["none", "unknown", "pending", "partly", "done"]


EFFECTS: dict[Effect, str] = {
    "none": "Nothing was changed.",
    "unknown": "Whether it took effect is unknown.",
    "pending": "It does not count yet.",
    "partly": "A part of it took effect.",
    "done": "It took effect.",
}


class MarketMcpError(Exception):
    """Root of the tree."""


class ConfigError(MarketMcpError):
    """The settings cannot be used; the message names the setting and the remedy, never a secret."""


class MalformedReply(MarketMcpError):
    """An answer does not have the shape that the market documents; the message names the place in it."""


class CallError(MarketMcpError):
    """One call failed.

    `message` says what happened, `effect` whether anything can have changed at the market, `next` what to do now, and
    `retry_after_seconds` when the same call may be made again, where that is known. `leave_alone` are the seconds for
    which the market asked in its answer that nothing be sent.
    """

    kind: str = "failed"
    effect: Effect = "none"

    def __init__(self, message: str, *, next: str = "", retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next = next
        self.leave_alone: float | None = None
        self.retry_after_seconds = None if retry_after_seconds is None else max(1, round(retry_after_seconds + 0.49))

    def as_result(self) -> dict[str, object]:
        """The error as structured content."""
        result: dict[str, object] = {"error": self.kind, "message": self.message, "effect": self.effect}
        if self.next:
            result["next"] = self.next
        if self.retry_after_seconds is not None:
            result["retry_after_seconds"] = self.retry_after_seconds
        return result

    def as_text(self) -> str:
        """The error as one line of text that says the same."""
        effect = EFFECTS[self.effect]
        retry = "" if self.retry_after_seconds is None else f"(retry_after_seconds: {self.retry_after_seconds})"
        return " ".join(part for part in (self.message, effect, self.next, retry) if part)


class BadCall(CallError):
    """The arguments cannot be used: unknown handle, unsupported filter, over a limit."""

    kind = "bad_call"


class TooSoon(CallError):
    """Sending this now would break the polling interval, and no earlier answer is held."""

    kind = "too_soon"


class Refused(CallError):
    """The market's definite no.

    `status` is its HTTP status; `explained` tells whether the market gave a reason of its own.
    """

    kind = "refused"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        next: str = "",
        retry_after_seconds: float | None = None,
        explained: bool = False,
    ) -> None:
        super().__init__(message, next=next, retry_after_seconds=retry_after_seconds)
        self.status = status
        self.explained = explained

    def as_result(self) -> dict[str, object]:
        return super().as_result() | {"status": self.status}


class Unavailable(CallError):
    """The market could not be reached, broke, or answered a read with something unreadable."""

    kind = "unavailable"


class StateUnavailable(CallError):
    """The state file is locked, full or broken. What depends on it was not sent."""

    kind = "state_unavailable"


class OutcomeUnknown(CallError):
    """A write was sent and its answer was lost or unreadable."""

    kind = "outcome_unknown"
    effect = "unknown"


class HeldBack(CallError):
    """The market has taken a write and holds it back: a moderator, a queue, a challenge to be solved.

    No failure for its caller, who is told what the market says of it: `said`, as JSON, from the market in `frame`.
    """

    kind = "pending"
    effect = "pending"

    def __init__(self, message: str, *, frame: dict[str, object], said: object, next: str = "") -> None:
        super().__init__(message, next=next)
        self.frame = frame
        self.said = said

    def as_result(self) -> dict[str, object]:
        result = super().as_result()
        del result["error"]
        return {**self.frame, "pending": self.said, **result}


class Halfway(CallError):
    """What takes two requests was done by half: the market took the first and refused the second."""

    kind = "halfway"
    effect = "partly"


class NotKept(CallError):
    """An account or token was made at the market, and its key, shown once, could not be stored here."""

    kind = "not_kept"
    effect = "done"
