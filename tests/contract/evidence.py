"""What may be told of a call after a reply: judged by the reply itself and the platform's document, never by the code.

A write is done only where its reply shows what the document says that it shows; a no is a no under any status, a not
yet is none of both, and what is no market's answer leaves open what became of it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import cast

from contract.mutations import Mutation
from contract.replies import Answer, Scene
from rig import Json

Told = str
"""How a call ended: `done`, `pending`, or the kind of its error."""

DONE: Told = "done"
NOT_DONE = frozenset({"refused", "outcome_unknown", "pending"})
LOST = frozenset({"outcome_unknown"})
READ_FAILED = frozenset({"unavailable", "refused"})

SHOWN: Mapping[str, tuple[str, type]] = {
    "auth.register": ("api_key", str),
    "tasks.commit": ("task", dict),
    "tasks.submit": ("submission", dict),
    "chat.submit_response": ("data.submitted", bool),
    "posts.create": ("data", dict),
    "posts.reply": ("data", dict),
    "account.register": ("tokenValue", str),
    "account.login": ("tokenValue", str),
}
"""By call of the witness: which of the documented keys is what the call was made for, and of what type.

The others, such as a sentence to read, show nothing of what was done.
"""

THINGS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "commit_task": ("task", {"id": "task_id"}),
    "abandon_task": ("task", {"id": "task_id"}),
    "submit_work": ("submission", {"task_id": "work_id", "contractId": "work_id"}),
    "place_bid": ("bid", {"taskId": "task_id"}),
    "withdraw_bid": ("bid", {"id": "bid_id"}),
    "reject_bid": ("bid", {"id": "bid_id"}),
    "create_counter_offer": ("counterOffer", {"bidId": "bid_id"}),
    "withdraw_counter_offer": ("counterOffer", {"id": "counter_offer_id", "bidId": "bid_id"}),
    "respond_to_counter_offer": ("counterOffer", {"id": "counter_offer_id", "bidId": "bid_id"}),
    "hire_bidder": ("contract", {"taskId": "task_id", "bidId": "bid_id"}),
    "decide_submission": ("contract", {"id": "contract_id"}),
    "leave_review": ("review", {"contractId": "contract_id"}),
    "update_task": ("task", {"id": "task_id"}),
    "update_payout_method": ("payoutMethod", {"id": "payout_method_id"}),
    "mark_notifications_read": ("notification", {"id": "notification_id"}),
}
"""By tool: the thing that comes back, and which argument each of its ids must repeat."""

STATES: Mapping[tuple[str, str | None], str] = {
    ("commit_task", None): "committed",
    ("abandon_task", None): "available",
    ("withdraw_bid", None): "withdrawn",
    ("reject_bid", None): "rejected",
    ("withdraw_counter_offer", None): "withdrawn",
    ("respond_to_counter_offer", "accept"): "accepted",
    ("respond_to_counter_offer", "reject"): "rejected",
    ("decide_submission", "accept"): "accepted",
    ("decide_submission", "reject"): "rejected",
}
"""By tool and decision: the state in which the thing must come back, where it tells one."""

MAKES_A_KEY = frozenset({"register_agent", "login", "create_token"})
VOTES = {"upvote_post": 1, "downvote_post": -1, "withdraw_vote": 0}


def told(well: bool, content: Json) -> Told:
    if well:
        return "pending" if "pending" in content else DONE
    return str(content.get("error"))


def allowed_of_write(scene: Scene, mutation: Mutation, answer: Answer) -> frozenset[Told]:
    """How a write may end that is answered so."""
    match mutation.kind:
        case "none":
            return frozenset({DONE})
        case "failure":
            return frozenset({"refused"})
        case "pending":
            return frozenset({"pending"})
        case "accepted" if scene.called.tool in MAKES_A_KEY:
            # It is shown once, so it is kept whatever is still to be done.
            return frozenset({DONE})
        case "accepted":
            return frozenset({"pending", "outcome_unknown"})
        case "foreign":
            return LOST
        case _:
            lacking = lacks(scene, answer)
            return frozenset({DONE, *NOT_DONE}) if not lacking else NOT_DONE


def allowed_of_read(scene: Scene, mutation: Mutation, answer: Answer) -> frozenset[Told]:
    """How the read of a thing may end that is answered so."""
    match mutation.kind:
        case "none":
            return frozenset({DONE})
        case "silent" if scene.row.route.endswith("/unread-count"):
            # What it does not tell the list does, which is asked next.
            return frozenset({DONE, *READ_FAILED})
        case "failure":
            return READ_FAILED
        case "silent" if scene.row.effect.claims and answer.body.strip() == b"null":
            # That there is none to claim may be said so.
            return frozenset({DONE, *READ_FAILED})
        # A list may be empty, and say so by holding nothing: in `[]`, or under a status that means it.
        case "silent" if not (answer.status == 204 or answer.body.strip().startswith(b"[")):
            return READ_FAILED
        case "foreign":
            return frozenset({"unavailable"})
        case _:
            return frozenset({DONE, *READ_FAILED})


def lacks(scene: Scene, answer: Answer) -> str:
    """What a reply with the status of a yes lacks or says against it; empty where it may be taken for done."""
    call = scene.witness
    shown = SHOWN.get(call.name) if call else None
    try:
        value: object = json.loads(answer.body.decode("utf-8-sig"))
    except ValueError:
        return "it says nothing of what is documented" if shown or answer.body else ""
    bodies = list(_bodies(value))
    if any(_says_no(body) for body in bodies):
        return "it says no"
    if any(_says_later(body) for body in bodies):
        return "it says not yet"
    if shown is not None and not any(_has(body, *shown) for body in bodies):
        return f"it does not show {shown[0]}"
    tool, arguments = scene.called.tool, scene.called.arguments
    name, same = THINGS.get(tool, ("", {}))
    thing = next((found for body in bodies if (found := _thing(body, name)) is not None), None)
    if thing is None:
        return ""
    for key, argument in same.items():
        handle = str(arguments.get(argument, "")).partition(":")[2]
        told_id = thing.get(key)
        is_told = isinstance(told_id, str | int) and not isinstance(told_id, bool)
        # What no path can carry is the id of nothing, and tells none.
        is_told = is_told and re.fullmatch(r"\s*(\w[\w-]*)?\s*", str(told_id)) is not None
        if is_told and str(told_id).strip().lower() not in ("", handle.lower()):
            return f"its {name}.{key} is another"
    if shown is not None and "id" in same and not isinstance(thing.get("id"), str | int):
        return f"its {name} has no id"
    decision = arguments.get("decision")
    state = STATES.get((tool, str(decision) if decision is not None else None))
    if state is not None and isinstance(found := thing.get("status"), str) and found.strip().lower() not in ("", state):
        return f"its {name} is {found}"
    return ""


def _bodies(value: object, depth: int = 3) -> Iterator[Json]:
    """A reply and what stands in its usual wrappers: `data`, `result`, a list of one."""
    if isinstance(value, list):
        items = cast("list[object]", value)
        if len(items) == 1 and depth:
            yield from _bodies(items[0], depth - 1)
    elif isinstance(value, dict):
        body = cast("Json", value)
        yield body
        for name in ("data", "result"):
            if depth:
                yield from _bodies(body.get(name), depth - 1)


def _says_no(body: Json) -> bool:
    return (
        bool(body.get("error"))
        or bool(body.get("errors"))
        or body.get("success") is False
        or body.get("ok") is False
        or body.get("isError") is True
        or body.get("submitted") is False
        or ("id" not in body and body.get("status") in {"error", "failed"})
    )


def _says_later(body: Json) -> bool:
    # A thing that is pending, such as a counter-offer, has an id.
    return "id" not in body and (body.get("status") == "pending" or body.get("verification_required") is True)


def _has(body: Json, dotted: str, kind: type) -> bool:
    """Whether a body has the key, with or without its wrapper, and of its type; a flag has to be set, a text to say
    something, an object to hold something."""
    for name in (dotted, dotted.removeprefix("data.")):
        holder, _, last = name.rpartition(".")
        inner = _named(body, holder) if holder else body
        found = _named(cast("Json", inner), last) if isinstance(inner, dict) else None
        if isinstance(found, kind) and found:
            return True
    # What is documented in an envelope may come without it, and a thing without the name that it stands under.
    return kind is dict and "id" in body


def _named(body: Json, name: str) -> object:
    """The field of this name, in whatever case it is written."""
    plain = {key.replace("_", "").lower(): value for key, value in body.items()}
    return plain.get(name.replace("_", "").lower())


def _thing(body: Json, name: str) -> Json | None:
    found = _named(body, name)
    if isinstance(found, dict):
        return cast("Json", found)
    return body if "id" in body else None
