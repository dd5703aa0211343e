"""What tests of the gateway need: a market to ask through the gate, an account, and a key to keep secret."""

import traceback
from dataclasses import dataclass

from clocks import ManualClock
from market_mcp.gateway.pacing import Question

HOUR = 3600.0
POSTS = Question.of("agentjob", "posts", "GET", "/api/tasks", [])


def page(number: int, account: str = "agentjob", topic: str = "posts") -> Question:
    return Question.of(account, topic, "GET", "/api/tasks", [("page", number)])


class Market:
    """Counts what it is asked, and answers how often that was; or fails, or waits, if told to."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.asked = 0
        self.failure: Exception | None = None
        self.takes = 0.0

    async def __call__(self) -> object:
        self.asked += 1
        answer = self.asked
        await self.clock.sleep(self.takes)
        if self.failure is not None:
            raise self.failure
        return answer


CANARY = "polt_canary5f3e"


@dataclass
class At:
    """A configured account, as far as the transport knows one."""

    base_url: str = "https://market.example"
    name: str = "market"
    key: str | None = CANARY

    def authorization(self) -> str | None:
        return f"Bearer {self.key}" if self.key else None


def keeps_the_secret(error: BaseException) -> None:
    told = [str(error), repr(error), *traceback.format_exception(error)]
    assert not any(CANARY in text for text in told)
