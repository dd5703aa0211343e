"""What an answer proves: that a call is done, denied or held back, or nothing at all.

A status code alone proves nothing. Of a write, *done* is what its row's proof finds in the result; *denied* is an
envelope of failure under any status; *held back* waits for a moderator or for a challenge to be solved; an answer that
says yes and lacks what the row's document promises leaves the outcome unknown; and a page of a proxy, of a tunnel or of
another site is not the market's answer at all.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, cast
from urllib.parse import urljoin, urlsplit

from market_mcp.accounts import Account
from market_mcp.actions import Action, ListAction
from market_mcp.errors import CallError, HeldBack, MalformedReply, OutcomeUnknown, Refused, Unavailable
from market_mcp.gateway import waiting
from market_mcp.gateway.messages import HttpReply
from market_mcp.markets import Row, envelope
from market_mcp.markets.domain import plain
from market_mcp.markets.envelope import says_both, says_no
from market_mcp.markets.reasons import reason
from market_mcp.markets.reply import answer_among, parse_json
from market_mcp.text.sanitize import UNTRUSTED, scrub, scrub_text

LOOK_FIRST = "Do not repeat it blindly: look first whether it took effect."

QUOTED = 200
"""Characters of a page that is not the market's own, to be recognised by."""


class Answer(NamedTuple):
    """A market's yes: its body as JSON in UTF-8, and what it says of something that is held back, if it is."""

    body: bytes
    pending: object = None


def judge(account: Account, row: Row, reply: HttpReply, now: float) -> Answer:
    """What is left of an answer that says yes. Raises CallError for every other; `now` is in seconds since 1970."""
    name = account.market.name
    foreign = _foreign(reply)
    if foreign:
        where = scrub_text(account.base_url)
        text = f"What answered at {where} is not {name}'s own answer (HTTP {reply.status}): {foreign}."
        raise lost(row, text, instead=_setting(account), retry_after=waiting.named(reply, None, now))
    body, said = _read(reply, row)
    if reply.status >= 500:
        wait = waiting.named(reply, said, now)
        raise lost(row, f"{name} broke (HTTP {reply.status}){_told(said)}", retry_after=wait)
    if reply.status >= 400 or says_no(said):
        raise _refusal(account, row, reply, said, now)
    if row.writes and says_both(said):
        raise lost(row, f"{name} said yes and named an error in one answer{_told(said)}")
    if row.writes and (reply.status == 202 or envelope.held_back(said, row.proof.usual)):
        return Answer(body, said or {"status": reply.status})
    return Answer(body)


def prove(account: Account, row: Row, action: Action, result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The result of a write that it shows to be done. Raises Refused and OutcomeUnknown for any other."""
    name, proof = account.market.name, row.proof
    shown = _at(result, proof.shows) if proof.shows else None
    if shown is False:
        raise Refused(f"{name} says that it did not take this, and no more.", status=200, next=row.hints.get(409, ""))
    if shown is None and proof.documented:
        text = f"{name} said yes, and its answer lacks `{proof.shows}`, which its document promises."
        raise OutcomeUnknown(text, next=LOOK_FIRST)
    for place, argument in proof.same.items():
        found, asked = _at(result, place), getattr(action, argument)
        if found is not None and asked is not None and str(found).partition(":")[2] != str(asked):
            raise OutcomeUnknown(f"{name} said yes, and showed another {argument} than was asked for.", next=LOOK_FIRST)
    state = _at(result, proof.state) if proof.state else None
    asked = proof.states(action) if callable(proof.states) else proof.states
    if state is not None and asked and plain(state) not in set(map(plain, asked)):
        text = f"{name} said yes, and showed it as “{_quotable(str(state))}” and not as {' or '.join(sorted(asked))}."
        raise OutcomeUnknown(text, next=LOOK_FIRST)
    if proof.shows and shown is None:
        return {**result, "inferred": f"{name} said yes and showed nothing more, so this is concluded from its yes."}
    return result


def held_back(account: Account, said: object) -> HeldBack:
    """The error of a write that the market has and holds back, with all that it says of it but secrets."""
    text = f"{account.market.name} has it and holds it back: it waits there for a check, or for something from you."
    next_step = "It is not done, and nothing here counts it as done: `pending` is all that the market says of it."
    frame: dict[str, object] = {"market": account.name, **({"sandbox": True} if account.sandbox else {})}
    return HeldBack(text, frame=frame | {"untrusted": UNTRUSTED}, said=redacted(said), next=next_step)


def redacted(value: object, secret: str = "") -> object:
    """A JSON value, scrubbed and without its secrets: this one, and what stands under a name that secrets have."""
    return scrub(_redacted(value, secret))


def _redacted(value: object, secret: str) -> object:
    if isinstance(value, Mapping):
        return {
            name: "[secret]" if _SECRET.search(name) and isinstance(inner, str) else _redacted(inner, secret)
            for name, inner in cast("Mapping[str, object]", value).items()
        }
    if isinstance(value, list):
        return [_redacted(inner, secret) for inner in cast("list[object]", value)]
    return value.replace(secret, "[secret]") if secret and isinstance(value, str) else value


_SECRET = re.compile(r"(?i)api_?key|secret|password|token|credential")


def lost(row: Row, text: str, *, instead: str = "", retry_after: float | None = None) -> CallError:
    """The error of a call whose answer does not tell what became of it; `instead` says what helps, if not waiting."""
    if row.effect.claims:
        next_step = "A question may have been claimed and lost; call again for the next one."
        return OutcomeUnknown(text, next=f"{instead} {next_step}".strip(), retry_after_seconds=retry_after)
    if not row.writes:
        return Unavailable(text, next=instead or "Try again in a minute.", retry_after_seconds=retry_after)
    return OutcomeUnknown(text, next=f"{LOOK_FIRST} {instead}".strip(), retry_after_seconds=retry_after)


def _told(said: object) -> str:
    """The end of a sentence, with the market's words where it has any."""
    words = _quotable(reason(said))
    return f", in its words: “{words}”." if words else "."


def _refusal(account: Account, row: Row, reply: HttpReply, said: object, now: float) -> Refused:
    """The market's no, with what to do next; our advice never contradicts the reason it gave."""
    status, words = reply.status, _quotable(reason(said))
    text = f"{account.market.name} refused (HTTP {status}){_told(said)}"
    single = bool(row.placeholders()) and not issubclass(row.action, ListAction)
    advice = row.hints.get(status, "")
    retry = None
    match status:
        case 401 if not advice:
            advice = (
                f"If the key is at fault, tell the user: it comes from {account.key_source}."
                if account.key
                else f"It wants a key: ask the user to set {account.key_source} and restart the server."
            )
        case 403 if row.scope is not None and not advice and not words:
            advice = f"Either the token lacks the scope {row.scope}, or this is for another party to do."
        case 404 if not advice and not words:
            advice = "Check the id; lists give the ids there are." if single else _setting(account)
        case 429:
            retry = waiting.asked_for(reply, said, now)
            advice = advice or "Wait that long before asking this market again."
        case _:
            pass
    explained = plain(words) not in _NO_REASON
    return Refused(text, status=status, next=advice, retry_after_seconds=retry, explained=explained)


_NO_REASON = frozenset({"", "notfound", "404", "error", "404notfound"})
"""What any server says that knows no such path; it need not be about the thing that was asked for."""


def _setting(account: Account) -> str:
    """Where the address stands that a market is asked at."""
    return f"If it goes on, tell the user: the address is set by {account.base_url_source}."


def _read(reply: HttpReply, row: Row) -> tuple[bytes, object]:
    """The body and what it says: JSON, or the words of a refusal."""
    # An answer that is meant to be empty says of a write that it went well, and of a read that there is nothing.
    empty = reply.headers.get("content-length") == "0" and (row.writes or row.effect.claims)
    if reply.status == 204 or empty or (row.effect.claims and reply.body.strip() == b"null"):
        return b"{}" if row.writes else b"[]", None
    streamed = reply.headers.get("content-type", "").startswith("text/event-stream")
    body = answer_among(reply.body) if streamed else reply.body
    try:
        return body, parse_json(body)
    except MalformedReply:
        # What it is will be said where it is decoded; of a refusal it is the reason.
        return reply.body, reply.body.decode(errors="replace")


_TUNNELS = ("ngrok", "trycloudflare", "localtunnel", "loca.lt", "serveo", "tunnel")
_CHALLENGES = (
    "just a moment",
    "captcha",
    "cf-chl",
    "verify you are human",
    "are you a robot",
    "attention required",
    "checking your browser",
    "bot detection",
    "access denied",
)
_MAINTENANCE = ("maintenance", "be right back", "be back soon", "scheduled downtime", "wartung")
_DEFAULT_TEXTS = re.compile(
    r"\s*(404 page not found|not found|no route matched.*|default backend - 404|no healthy upstream|upstream .*"
    r"|bad gateway|gateway time-?out|service unavailable|error code: \d+|cannot (get|post|patch|delete) .*)\s*",
    re.IGNORECASE,
)
"""What servers and proxies say in plain text when no application answered."""


def _foreign(reply: HttpReply) -> str:
    """What an answer is that no market gave, in words for its user; empty where it is one of the market's."""
    headers = reply.headers
    if 300 <= reply.status < 400:
        return f"a redirect{_target(headers.get('location', ''))}, which is not followed"
    if reply.status in (407, 511):
        return "a proxy or network on the way wants a login"
    page = _page(reply)
    text = (page or "").casefold()
    if "ngrok-error-code" in headers:
        code = _quotable(headers["ngrok-error-code"])
        return f"the tunnel in front of it answered ({code}){_quote(page)}"
    if headers.get("cf-mitigated", "").casefold() == "challenge":
        return f"a challenge for browsers stands in front of it{_quote(page)}"
    if page is None:
        return ""
    if any(sign in text for sign in _MAINTENANCE):
        return f"a maintenance page{_quote(page)}"
    if any(sign in text for sign in _CHALLENGES):
        return f"a challenge for browsers stands in front of it{_quote(page)}"
    if any(sign in text for sign in _TUNNELS):
        return f"the page of a tunnel{_quote(page)}"
    if reply.status >= 500:
        return f"the page of a server or proxy in front of it{_quote(page)}"
    return f"a web page and no JSON, so the path or the address may be wrong{_quote(page)}"


def _page(reply: HttpReply) -> str | None:
    """The text of a web page, or what a server says that has no application; None for an answer in JSON or in words."""
    start = reply.body[:65_536].decode(errors="replace").lstrip("\ufeff \t\r\n")
    declared = "html" in reply.headers.get("content-type", "").casefold()
    if start.startswith("<") or (declared and not start.startswith(("{", "["))):
        visible = re.sub(r"(?is)<(script|style)\b.*?(</\1\s*>|$)|<!--.*?(-->|$)|<[^>]*>", " ", start)
        return " ".join(visible.split())
    return start.strip() if reply.status >= 400 and _DEFAULT_TEXTS.fullmatch(start[:QUOTED]) else None


def _target(location: str) -> str:
    """Where a redirect leads, without what may be secret in its query."""
    try:
        parts = urlsplit(urljoin("", location))
        place = f"{parts.scheme}://{parts.hostname}" if parts.hostname else ""
        place += f":{parts.port}" if parts.port else ""
        place += parts.path
    except ValueError:
        place = ""
    return f" to {_quotable(place)[:QUOTED]}" if place else ""


def _quote(page: str | None) -> str:
    words = _quotable(page or "")
    return f", in its words: “{words[:QUOTED].rstrip()}{' …' if len(words) > QUOTED else ''}”" if words else ""


def _quotable(words: str) -> str:
    """Somebody's words, cleaned; they will stand in quotation marks, and must not end them."""
    return re.sub("[“”]", "'", scrub_text(words)).strip().rstrip(".")


def _at(result: object, place: str) -> object:
    """What stands at a dotted place of a result; None where nothing does."""
    for name in place.split("."):
        if not isinstance(result, Mapping):
            return None
        result = cast("Mapping[str, object]", result).get(name)
    return result
