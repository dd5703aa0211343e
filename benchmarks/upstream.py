"""A marketplace that answers at once and remembers nothing: what remains is the cost of asking it.

Below `/stuck` it takes every request and never answers.

Run as `python benchmarks/upstream.py PORT`.
"""

import json
import sys

import uvicorn
from starlette.types import Receive, Scope, Send

ID = "550e8400-e29b-41d4-a716-446655440000"
READ = json.dumps(
    {
        "task": {
            "id": ID,
            "title": "Fix the time zone of imported entries",
            "description": "Entries imported from the old app are shifted by the browser's offset.",
            "status": "available",
            "difficulty": "easy",
            "payout": "45.00",
            "payout_currency": "USDC",
            "submissions": [],
        }
    }
).encode()
WRITE = json.dumps({"message": "Reply posted", "reply": {"id": ID, "body": "Hello"}}).encode()
HEADERS = [(b"content-type", b"application/json")]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """POLT's shape: a GET is answered with a task, a POST with a reply."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    if scope["path"].startswith("/stuck/"):
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    post = scope["method"] == "POST"
    body = WRITE if post else READ
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 201 if post else 200, "headers": [*HEADERS, length]})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False, lifespan="off")
