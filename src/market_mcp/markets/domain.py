"""What all marketplaces have in common, in one vocabulary.

These are the shapes in which results reach a model: plain JSON objects, flat, every id a handle (`polt:550e…`),
every time ISO 8601 in UTC. A field about which the market says nothing is absent: decoders write None, `present`
drops it.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Required, TypedDict, TypeVar, cast

from market_mcp.text.times import seconds

D = TypeVar("D", bound=Mapping[str, object])
M = TypeVar("M", bound=Mapping[str, Any])

Result = dict[str, Any]
"""What a call brings, as a JSON object."""


class Pay(TypedDict, total=False):
    """Money as the market states it: decimal amount and currency where they are known, always the words."""

    amount: str
    currency: str
    text: str


class Reply(TypedDict, total=False):
    """An answer below a post."""

    id: str | None
    author: str | None
    body: Required[str]
    created_at: str | None
    online: bool | None
    skills: list[str] | None
    model: str | None
    agent_id: str | None
    wallet: str | None


class Milestone(TypedDict, total=False):
    """A step on the way of a project."""

    title: str | None
    completed: bool | None
    status: str | None
    due: str | None


class Post(TypedDict, total=False):
    """What a market publishes to be read and answered: a POLT project, an AgentJob post, an OpenTask task."""

    id: Required[str]
    title: Required[str]
    body: str | None
    author: str | None
    channel: str | None
    status: str | None
    created_at: str | None
    votes: int | float | None
    your_vote: int | None
    reply_count: int | None
    pay: Pay | None
    progress: int | float | None
    milestones: list[Milestone] | None
    tasks: list[str] | None
    replies: list[Reply] | None


class Submission(TypedDict, total=False):
    """Work handed in, and what its reviewer said."""

    id: str | None
    author: str | None
    status: str | None
    content: str | None
    deliverable_url: str | None
    feedback: str | None
    created_at: str | None


class Task(TypedDict, total=False):
    """Paid work to take: a POLT task, an OpenTask task."""

    id: Required[str]
    title: Required[str]
    description: str | None
    status: str | None
    pay: Pay | None
    deadline: str | None
    difficulty: str | None
    skills: list[str] | None
    criteria: list[str] | None
    owner: str | None
    owner_kind: str | None
    taken_by: str | None
    project_id: str | None
    bid_count: int | None
    execution_mode: str | None
    execution_phase: str | None
    takes: str | None
    """What it takes in place of bids, where it takes none."""
    entry_deadline: str | None
    available_actions: list[str] | None
    funding_status: str | None
    created_at: str | None
    updated_at: str | None
    submissions: list[Submission] | None


class Bid(TypedDict, total=False):
    """An offer to do a task for a price."""

    id: Required[str]
    task_id: str | None
    task_title: str | None
    bidder: str | None
    bidder_id: str | None
    reason: str | None
    status: str | None
    price: Pay | None
    eta_days: int | None
    approach: str | None
    contract_id: str | None
    created_at: str | None
    updated_at: str | None


class ChatMessage(TypedDict):
    """One line of a paid chat."""

    role: str
    content: str


class Chat(TypedDict, total=False):
    """A claimed question of a paying user, to be answered by `answer_by`."""

    task_id: Required[str]
    chat_id: str | None
    user_id: str | None
    first_chat: bool | None
    pay: Pay | None
    messages: list[ChatMessage]
    claimed_at: str | None
    answer_by: str | None
    seconds_left: int | None


class CounterOffer(TypedDict, total=False):
    """Other terms that a task's owner proposes to a bidder."""

    id: Required[str]
    bid_id: str | None
    status: str | None
    price: Pay | None
    eta_days: int | None
    approach: str | None
    message: str | None
    reason: str | None
    created_at: str | None


class Contract(TypedDict, total=False):
    """Agreed work: who delivers what to whom for how much, and where payment is to go."""

    id: Required[str]
    task_id: str | None
    bid_id: str | None
    title: str | None
    status: str | None
    price: Pay | None
    eta_days: int | None
    deadline: str | None
    buyer: str | None
    seller: str | None
    description: str | None
    criteria: list[str] | None
    approach: str | None
    pay_to: dict[str, str] | None
    funding_status: str | None
    payment_due_at: str | None
    available_actions: list[str] | None
    reason: str | None
    created_at: str | None
    updated_at: str | None
    submissions: list[Submission] | None


class Message(TypedDict, total=False):
    """One private message of a bid or contract."""

    id: str | None
    author: str | None
    body: Required[str]
    created_at: str | None


class Review(TypedDict, total=False):
    """What a party says of the other after a contract."""

    id: str | None
    contract_id: str | None
    author: str | None
    about: str | None
    about_id: str | None
    rating: int | None
    text: str | None
    created_at: str | None


class Profile(TypedDict, total=False):
    """An agent as a market presents it."""

    id: Required[str]
    name: str | None
    display_name: str | None
    kind: str | None
    bio: str | None
    skills: list[str] | None
    links: list[str] | None
    availability: str | None
    model: str | None
    online: bool | None
    price_first_message: Pay | None
    price_next_messages: Pay | None
    success_rate: int | float | None
    completed_tasks: int | None
    earned: str | None
    rank: int | None
    stats: dict[str, int | float] | None
    payout_methods: list[dict[str, str]] | None
    created_at: str | None


class Notification(TypedDict, total=False):
    """Something that a market wants known."""

    id: Required[str]
    type: str | None
    text: str | None
    about: str | None
    about_id: str | None
    read: bool | None
    created_at: str | None


def ids_in(said: object, kind: str = "") -> Iterator[tuple[str, str]]:
    """The ids in a thing of some kind, and in all that it holds: what each names, and the handle.

    In these shapes `id` is that of the thing itself, which is of the kind that the field holding it is called, and
    `task_id` that of a task.
    """
    if isinstance(said, Mapping):
        for name, value in cast("Mapping[str, object]", said).items():
            if not isinstance(value, str):
                yield from ids_in(value, name.removesuffix("s"))
            elif name.endswith("_id") or (name == "id" and kind):
                yield name.removesuffix("_id") if name != "id" else kind, value
    elif isinstance(said, list):
        for each in cast("list[object]", said):
            yield from ids_in(each, kind)


def present(value: D) -> D:
    """The object without its empty fields."""
    return cast("D", {k: v for k, v in value.items() if v is not None and v != [] and v != {}})


def plain(word: object) -> str:
    """A word of status or the like without case and what parts it: `In Progress` and `in_progress` are one."""
    return re.sub(r"[\W_]+", "", str(word)).casefold()


def newest(things: Sequence[M]) -> M | None:
    """What was created last of things in any order; where they name no time, what stands last."""

    def when(place: int) -> tuple[float, int]:
        created = seconds(str(things[place].get("created_at", "")))
        return -math.inf if created is None else created, place

    return things[max(range(len(things)), key=when)] if things else None


SIGNS = {"$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "Ξ": "ETH", "₿": "BTC"}
_UNIT = (
    # What counts as a currency in free text; any other word beside a number may be one or not.
    r"USDC|USDT|DAI|ETH|WETH|BTC|WBTC|SOL|BNB|MOLT|POL|MATIC|XRP|ADA|DOGE|LTC|TRX|AVAX"
    r"|USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|NZD|SGD|HKD|BRL|MXN|KRW|SEK|NOK|DKK|PLN|CZK|ZAR"
    r"|\$|US\$|€|£|Ξ|₿"
)
_GAP = "[ \u00a0\u202f]*"
_NUMBER = re.compile("[0-9][0-9.,]*")
# Not after a letter (A$ is not $), a minus or half a number; not before a letter (5k) or the other half.
_MONEY = re.compile(
    rf"(?<![\w$€£Ξ₿.,\-\u2212\u2013\u2014])(?:(?P<before>{_UNIT}){_GAP})?"
    r"(?P<amount>[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?)"
    rf"(?:{_GAP}(?P<after>{_UNIT}))?(?!\w|[.,][0-9])",
    re.IGNORECASE | re.ASCII,
)
_THOUSANDS_OR_NOT = re.compile(r"[1-9][0-9]{0,2}\.[0-9]{3}")
_LONGEST_PRICE = 200


def pay(text: str | None = None, amount: object = None, currency: str | None = None) -> Pay | None:
    """Money from structured fields where there are any, else out of free text such as `450 USDC` or `$1,200`.

    An amount may be a number, a text or an object of amount and currency; what is no number is read as words. Nothing
    is converted, and nothing is guessed: a text without one clear amount keeps only its words.
    """
    if isinstance(amount, Mapping):
        parts = cast("Mapping[str, object]", amount)
        amount, currency = parts.get("amount", parts.get("value")), str(parts.get("currency") or currency or "")
    decimal = _decimal(amount)
    text = (text or "").strip() or (amount.strip() if decimal is None and isinstance(amount, str) else "")
    if decimal is None and text:
        decimal, currency = _read(text, currency)
    if decimal is None:
        return Pay(text=text) if text else None
    unit = (currency or "").strip().upper()
    result = Pay(amount=decimal, text=text or f"{decimal} {unit}".strip())
    if unit:
        result["currency"] = unit
    return result


def _read(text: str, currency: str | None) -> tuple[str | None, str | None]:
    """The one amount that a text names and its currency; a bare number's is the one that is given."""
    if len(text) > _LONGEST_PRICE or len(_NUMBER.findall(text)) != 1:
        return None, currency
    found = _MONEY.search(text)
    # 1.200 is twelve hundred to some people and little more than one to others.
    if found is None or _THOUSANDS_OR_NOT.fullmatch(found["amount"]):
        return None, currency
    before, after = ((found[part] or "").upper() for part in ("before", "after"))
    if before == "$" and after:
        # Many currencies are written with this sign; the code says which is meant.
        before = ""
    named = {SIGNS.get(unit, unit) for unit in (before, after) if unit}
    if len(named) > 1 or (not named and found.group() != text):
        return None, currency
    return _decimal(found["amount"].replace(",", "")), next(iter(named), currency)


def _decimal(value: object) -> str | None:
    """A number as a plain decimal, digit for digit but for trailing zeros; None for what is no price."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        decimal = Decimal(str(value).strip())
    except (InvalidOperation, ValueError):
        return None
    exponent = decimal.as_tuple().exponent
    # A number nobody pays is noise, and printing 1e999999 digit by digit is a bomb.
    if not isinstance(exponent, int) or decimal < 0 or exponent < -30 or decimal.adjusted() > 30:
        return None
    digits = f"{decimal.copy_abs():f}"
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
