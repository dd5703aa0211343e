"""What OpenTask answers when all is well, by call. A list has a `nextCursor` where there is more of it."""

from collections.abc import Mapping

from market_mcp.sandbox.schemas import COUNT, FLAG, NUMBER, TEXT, TIME, Schema, many, null_or, one_of, record, ref

_PERSON: dict[str, Schema] = {
    "id": TEXT, "handle": TEXT, "displayName": null_or(TEXT), "kind": one_of("agent", "human"),
}  # fmt: skip
_PUBLIC_PAYOUT: dict[str, Schema] = {"id": TEXT, "symbol": TEXT, "network": TEXT}
_CARD: dict[str, Schema] = {
    "id": TEXT, "title": TEXT, "skillsTags": many(TEXT), "budgetText": null_or(TEXT), "budgetAmount": null_or(NUMBER),
    "budgetCurrency": null_or(TEXT), "deadline": null_or(TIME), "createdAt": TIME, "owner": ref("Person"),
}  # fmt: skip
_TASK_STATUS = one_of("open", "closed", "cancelled")
_VISIBILITY = one_of("public", "unlisted")
_CONTRACT: dict[str, Schema] = {
    "id": TEXT, "taskId": TEXT, "bidId": TEXT, "status": one_of("in_progress", "submitted", "accepted", "rejected"),
    "title": TEXT, "priceText": TEXT, "etaDays": null_or(COUNT), "deadline": null_or(TIME), "buyer": ref("Person"),
    "seller": ref("Person"), "rejectionReason": null_or(TEXT), "createdAt": TIME, "updatedAt": TIME,
}  # fmt: skip
_TASK_TODAY: dict[str, Schema] = {
    "executionMode": one_of("pitch", "bounty", "benchmark"), "executionPhase": TEXT, "availableActions": many(TEXT),
    "fundingStatus": TEXT, "entryDeadline": null_or(TIME),
}  # fmt: skip
_CONTRACT_TODAY: dict[str, Schema] = {
    "availableActions": many(TEXT), "fundingStatus": TEXT, "paymentDueAt": null_or(TIME),
}  # fmt: skip
_OFFER: dict[str, Schema] = {
    "id": TEXT, "priceText": TEXT, "etaDays": null_or(COUNT), "approach": null_or(TEXT),
    "rejectionReason": null_or(TEXT), "createdAt": TIME, "updatedAt": TIME,
}  # fmt: skip
_SUMMARY = record(dict.fromkeys(("total", "active", "accepted", "rejected", "withdrawn"), COUNT))
_RATING: dict[str, Schema] = {"averageRating": null_or(NUMBER), "reviewCount": COUNT}


def records(current: bool) -> Mapping[str, Schema]:
    """The records of OpenTask; on the current platform tasks and contracts say more."""
    card = {**_CARD, **(_TASK_TODAY if current else {})}
    contract = {**_CONTRACT, **(_CONTRACT_TODAY if current else {})}
    task: dict[str, Schema] = {
        **card, "description": TEXT, "acceptanceCriteria": many(TEXT), "visibility": _VISIBILITY,
        "status": _TASK_STATUS, "updatedAt": TIME,
    }  # fmt: skip
    own: dict[str, Schema] = {
        **card, "visibility": _VISIBILITY, "status": _TASK_STATUS, "bidCount": COUNT, "bidSummary": _SUMMARY,
    }  # fmt: skip
    custom: dict[str, Schema] = {"budgetCurrencyCustom": TEXT}
    return {
        "Person": record(_PERSON),
        "Account": record({**_PERSON, "createdAt": TIME}),
        "Profile": record({
            **_PERSON, "bio": null_or(TEXT), "tags": many(TEXT), "links": many(TEXT), "availability": null_or(TEXT),
            "createdAt": TIME,
        }),
        "Token": record({"id": TEXT, "name": TEXT, "scopes": many(TEXT), "createdAt": TIME}),
        "Key": record({"id": TEXT, "publicKey": TEXT, "label": null_or(TEXT), "createdAt": TIME}),
        "PublicPayoutMethod": record(_PUBLIC_PAYOUT),
        "PayoutMethod": record({
            **_PUBLIC_PAYOUT, "address": TEXT, "memo": null_or(TEXT), "label": null_or(TEXT), "isActive": FLAG,
            "createdAt": TIME,
        }),
        "TaskCard": record(card, custom),
        "OwnTask": record(own, custom),
        "Task": record(task, {**custom, "bidSummary": _SUMMARY}),
        "Bid": record(
            {
                **_OFFER, "taskId": TEXT, "status": one_of("active", "accepted", "rejected", "withdrawn"),
                "task": record({"id": TEXT, "title": TEXT, "status": _TASK_STATUS}), "bidder": ref("Person"),
            },
            {"contractId": TEXT},
        ),
        "CounterOffer": record({
            **_OFFER, "bidId": TEXT, "message": null_or(TEXT),
            "status": one_of("pending", "accepted", "rejected", "withdrawn"),
        }),
        "ContractCard": record(contract),
        "Contract": record({
            **contract, "payoutMethodId": null_or(TEXT), "preferredToken": TEXT, "paymentWallet": TEXT,
            "paymentNetwork": null_or(TEXT), "paymentMemo": null_or(TEXT),
            "terms": record({
                "title": TEXT, "description": TEXT, "acceptanceCriteria": many(TEXT), "skillsTags": many(TEXT),
                "budgetText": null_or(TEXT), "deadline": null_or(TIME), "priceText": TEXT, "etaDays": null_or(COUNT),
                "approach": null_or(TEXT),
            }),
        }),
        "Submission": record({
            "id": TEXT, "contractId": TEXT, "deliverableUrl": TEXT, "notes": null_or(TEXT), "createdAt": TIME,
        }),
        "Review": record({
            "id": TEXT, "contractId": TEXT, "rating": COUNT, "text": null_or(TEXT), "author": ref("Person"),
            "subject": ref("Person"), "createdAt": TIME,
        }),
        "Said": record({"id": TEXT, "body": TEXT, "author": ref("Person"), "createdAt": TIME}),
        "Notification": record({
            "id": TEXT, "type": TEXT, "message": TEXT, "entityType": one_of("task", "bid", "contract"),
            "entityId": TEXT, "readAt": null_or(TIME), "createdAt": TIME,
        }),
    }  # fmt: skip


def _list(name: str, of: str) -> Schema:
    return record({name: many(ref(of))}, {"nextCursor": TEXT})


def _one(name: str, of: str) -> Schema:
    return record({name: ref(of)})


_GONE = record({"ok": FLAG})
_NEW_TOKEN: dict[str, Schema] = {"token": ref("Token"), "tokenValue": TEXT}
_ENTERED = record({"profile": ref("Account"), **_NEW_TOKEN})
_ME, _TASK = "/api/agent/me", "/api/agent/tasks/{taskId}"
_BID, _AT = "/api/agent/bids/{bidId}", "/api/agent/contracts/{contractId}"
_COUNTER = f"{_BID}/counter-offers"

ANSWERS: dict[str, Schema] = {
    "POST /api/agent/register": _ENTERED,
    "POST /api/agent/login": _ENTERED,
    f"GET {_ME}": record({
        "profile": ref("Profile"),
        "stats": record({
            **dict.fromkeys(("tasksPosted", "activeBids", "contractsAsBuyer", "contractsAsSeller"), COUNT), **_RATING,
        }),
    }),
    f"PATCH {_ME}": _one("profile", "Profile"),
    "GET /api/profiles/{profileId}": record({"profile": ref("Profile"), "stats": record(_RATING)}),
    "GET /api/profiles/{profileId}/payout-methods": _list("payoutMethods", "PublicPayoutMethod"),
    "GET /api/profiles/{profileId}/reviews": _list("reviews", "Review"),
    f"GET {_ME}/tokens": _list("tokens", "Token"),
    f"POST {_ME}/tokens": record(_NEW_TOKEN),
    f"DELETE {_ME}/tokens/{{tokenId}}": _GONE,
    f"GET {_ME}/keys": _list("keys", "Key"),
    f"POST {_ME}/keys": _one("key", "Key"),
    f"DELETE {_ME}/keys/{{keyId}}": _GONE,
    f"GET {_ME}/payout-methods": _list("payoutMethods", "PayoutMethod"),
    f"POST {_ME}/payout-methods": _one("payoutMethod", "PayoutMethod"),
    f"PATCH {_ME}/payout-methods/{{payoutMethodId}}": _one("payoutMethod", "PayoutMethod"),
    f"DELETE {_ME}/payout-methods/{{payoutMethodId}}": _GONE,
    "GET /api/tasks": _list("tasks", "TaskCard"),
    "GET /api/tasks/{taskId}": _one("task", "Task"),
    "PATCH /api/tasks/{taskId}": _one("task", "Task"),
    "GET /api/agent/tasks": _list("tasks", "OwnTask"),
    "POST /api/agent/tasks": _one("task", "Task"),
    f"GET {_TASK}": _one("task", "Task"),
    f"PATCH {_TASK}": _one("task", "Task"),
    f"GET {_TASK}/comments": _list("comments", "Said"),
    f"POST {_TASK}/comments": _one("comment", "Said"),
    f"GET {_TASK}/bids": _list("bids", "Bid"),
    f"POST {_TASK}/bids": _one("bid", "Bid"),
    "GET /api/agent/bids": _list("bids", "Bid"),
    f"GET {_BID}": _one("bid", "Bid"),
    f"PATCH {_BID}": _one("bid", "Bid"),
    f"GET {_BID}/messages": _list("messages", "Said"),
    f"POST {_BID}/messages": _one("message", "Said"),
    f"GET {_COUNTER}": _list("counterOffers", "CounterOffer"),
    f"POST {_COUNTER}": _one("counterOffer", "CounterOffer"),
    f"PATCH {_COUNTER}/{{counterOfferId}}": _one("counterOffer", "CounterOffer"),
    f"POST {_COUNTER}/{{counterOfferId}}/accept": record({"counterOffer": ref("CounterOffer"), "bid": ref("Bid")}),
    f"POST {_COUNTER}/{{counterOfferId}}/reject": _one("counterOffer", "CounterOffer"),
    "GET /api/agent/contracts": _list("contracts", "ContractCard"),
    "POST /api/agent/contracts": _one("contract", "Contract"),
    f"GET {_AT}": _one("contract", "Contract"),
    f"GET {_AT}/submissions": _list("submissions", "Submission"),
    f"POST {_AT}/submissions": record({"submission": ref("Submission"), "contract": ref("Contract")}),
    f"POST {_AT}/decision": _one("contract", "Contract"),
    f"GET {_AT}/reviews": _list("reviews", "Review"),
    f"POST {_AT}/reviews": _one("review", "Review"),
    f"GET {_AT}/messages": _list("messages", "Said"),
    f"POST {_AT}/messages": _one("message", "Said"),
    "GET /api/agent/notifications": _list("notifications", "Notification"),
    "GET /api/agent/notifications/unread-count": record({"unreadCount": COUNT}),
    "POST /api/agent/notifications/read-all": record({"updated": COUNT}),
    "POST /api/agent/notifications/{notificationId}/read": _one("notification", "Notification"),
}  # fmt: skip
