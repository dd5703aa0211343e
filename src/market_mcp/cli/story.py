"""What the demo tells: one agent's working day on three marketplaces, every line of it taken from a reply.

Counterparties of the sandbox act 2 seconds after what they react to, and a question goes to a market once a minute.
So the story waits only where an agent would, for a paid chat, and looks at what others did only after that.
"""

import textwrap
from collections import Counter
from decimal import Decimal
from typing import Any

from mcp import Client
from mcp_types import CallToolResult, TextContent
from rich.console import Console
from rich.text import Text

from market_mcp.clock import Clock

WIDTH = 78
"""Characters of a line; a screen has 80."""

MARGIN = 17
"""Of these, for the name of the tool that was called."""

NOWHERE = "550e8400-e29b"
"""An id without the market it belongs to."""

Reply = dict[str, Any]


class Astray(Exception):
    """Something did not happen as told; the message says what."""


class Storyteller:
    """Calls tools over MCP and prints what came of it."""

    def __init__(self, client: Client, console: Console) -> None:
        self._client = client
        self._console = console
        self._chapters = 0

    def chapter(self, title: str) -> None:
        self._chapters += 1
        self.line(f"{self._chapters}. {title}", "bold")

    def line(self, text: str, style: str = "") -> None:
        # Text, not markup: what a stranger wrote must not colour our screen.
        self._console.print(Text(text, style), soft_wrap=True)

    def say(self, tool: str, text: str, style: str = "") -> None:
        """What a call of a tool brought, in the tool's own row; further rows of it have no name."""
        for row in textwrap.wrap(text, WIDTH - MARGIN - 3):
            self._console.print(Text("   ") + Text(tool.ljust(MARGIN), "cyan") + Text(row, style), soft_wrap=True)
            tool = ""

    async def ask(self, tool: str, **arguments: object) -> Reply:
        """The result of a call that must succeed. Raises Astray."""
        result = await self._client.call_tool(tool, arguments)
        if result.is_error or result.structured_content is None:
            raise Astray(f"{tool} was expected to succeed, and said: {_words(result)}")
        return result.structured_content

    async def be_refused(self, tool: str, **arguments: object) -> str:
        """The words of a call that must be refused. Raises Astray."""
        result = await self._client.call_tool(tool, arguments)
        if not result.is_error:
            raise Astray(f"{tool} was expected to be refused, and was not")
        return _words(result)


async def tell(client: Client, console: Console, clock: Clock, began: float) -> None:
    """Tells the story with a connected client; `began` is the boot time at which the demo started.

    Raises Astray, or LookupError where a reply lacks what it should have.
    """
    teller = Storyteller(client, console)
    tools = (await client.list_tools()).tools
    teller.line(
        f"An agent at work on three pretend marketplaces, through {len(tools)} tools over stdio.\n"
        f"MCP revision {client.protocol_version}. No money, no keys, nothing leaves this machine.",
        "dim",
    )
    bounty, job = await _look_for_work(teller)
    await _take(teller, bounty)
    price = await _bid(teller, job)
    question = await _wait_for_a_question(teller)
    reward = await _see_the_review(teller, bounty)
    contract = await _deliver(teller, job)
    earned = await _answer(teller, question)
    await _talk(teller)
    earned += await _follow_up(teller, question)
    await _see_the_acceptance(teller, contract)
    await _ask_again(teller)
    await _be_taught(teller)
    teller.line(
        f"Done in {clock.boot() - began:.0f} s.\n"
        f"Earned: {reward} on POLT, {price} on OpenTask, {earned} USDC on AgentJob.",
        "bold green",
    )
    teller.line("To put your own agent to work, give its MCP client the command `market-mcp`.")


async def _look_for_work(teller: Storyteller) -> tuple[Reply, Reply]:
    """One task of POLT and one of OpenTask, both found in one list."""
    teller.chapter("Look for work on all markets at once")
    tasks: list[Reply] = (await teller.ask("list_tasks", currency="USDC", limit=50))["tasks"]
    teller.say("list_tasks", f"{len(tasks)} tasks paid in USDC: {_by_market(tasks)}")
    chosen: list[Reply] = []
    for market in ("polt", "opentask"):
        ours = [task for task in tasks if _market(task) == market]
        if not ours:
            raise Astray(f"no work was found on {market}")
        chosen.append(ours[0])
        teller.say("", f"{market:9} {_money(ours[0]):9} {ours[0]['title']}"[: WIDTH - MARGIN - 3])
    posts: list[Reply] = (await teller.ask("list_posts", limit=50))["posts"]
    teller.say("list_posts", f"{len(posts)} threads: {_by_market(posts)}")
    return chosen[0], chosen[1]


async def _take(teller: Storyteller, bounty: Reply) -> None:
    teller.chapter("POLT: commit to a bounty and hand it in")
    taken: Reply = (await teller.ask("commit_task", task_id=bounty["id"]))["task"]
    teller.say("commit_task", f"{taken['status']}, locked to {taken['taken_by']}, due {taken['deadline'][:10]}")
    handed_in = await teller.ask(
        "submit_work",
        work_id=bounty["id"],
        summary="Found the cause, fixed it, and added a test that fails without the fix.",
        deliverable_url="https://example.com/pull/7",
    )
    teller.say("submit_work", handed_in["message"])


async def _bid(teller: Storyteller, job: Reply) -> str:
    teller.chapter("OpenTask: bid on a task")
    bid: Reply = (await teller.ask("place_bid", task_id=job["id"], price=_money(job), eta_days=2))["bid"]
    teller.say("place_bid", f"{bid['price']['text']}, {bid['eta_days']} days: {bid['status']}")
    return str(bid["price"]["text"])


async def _wait_for_a_question(teller: Storyteller) -> Reply:
    teller.chapter("AgentJob: come online and wait for a paying user")
    chat: Reply | None = (await teller.ask("get_next_task", wait_seconds=20))["chat"]
    if chat is None:
        raise Astray("nobody on AgentJob asked anything within 20 seconds")
    teller.say("get_next_task", f'"{chat["messages"][-1]["content"]}"')
    teller.say("", f"pays {chat['pay']['text']}; {chat['seconds_left']} s left to answer")
    return chat


async def _see_the_review(teller: Storyteller, bounty: Reply) -> str:
    teller.chapter("Meanwhile the others decided")
    task: Reply = (await teller.ask("get_task", task_id=bounty["id"]))["task"]
    verdict = task["submissions"][-1]["status"]
    if (task["status"], verdict) != ("completed", "approved"):
        raise Astray(f"POLT's review left the task {task['status']} and the submission {verdict}")
    teller.say("get_task", f"polt: task {task['status']}, submission {verdict}, {_money(task)} earned")
    return _money(task)


async def _deliver(teller: Storyteller, job: Reply) -> str:
    bids: list[Reply] = (await teller.ask("list_bids"))["bids"]
    bid = next(bid for bid in bids if bid["task_id"] == job["id"])
    if bid["status"] != "accepted":
        raise Astray(f"the bid on OpenTask is {bid['status']}, not accepted")
    teller.say("list_bids", f"opentask: bid {bid['status']}, contract {_short(bid['contract_id'])}")
    handed_in = await teller.ask(
        "submit_work",
        work_id=bid["contract_id"],
        summary="All files as agreed; the README says how to check them.",
        deliverable_url="https://example.com/deliveries/1",
    )
    teller.say("submit_work", f"to the contract: {handed_in['message']}")
    return str(bid["contract_id"])


async def _answer(teller: Storyteller, question: Reply) -> Decimal:
    teller.chapter("AgentJob: answer before the deadline, and be asked more")
    return await _respond(teller, question, "Compare neighbours, swap them, repeat:\n\n    for n in range(len(a)): ...")


async def _respond(teller: Storyteller, question: Reply, text: str) -> Decimal:
    answered = await teller.ask("submit_response", task_id=question["task_id"], text=text)
    if not answered["submitted"]:
        raise Astray("AgentJob did not take the answer")
    teller.say("submit_response", answered["message"])
    return Decimal(question["pay"]["amount"])


async def _talk(teller: Storyteller) -> None:
    teller.chapter("Talk: reply to a post, vote for it, and vote again")
    ideas: list[Reply] = (await teller.ask("list_posts", market="polt", status="idea"))["posts"]
    post: Reply = (await teller.ask("get_post", post_id=ideas[0]["id"]))["post"]
    last: Reply = post["replies"][-1]
    teller.say("get_post", f'"{post["title"]}", {post["votes"]} votes')
    teller.say("", f'{last["author"]}: "{last["body"]}"')
    replied = await teller.ask("add_reply", post_id=post["id"], body="I can write the importer for the gauge data.")
    teller.say("add_reply", replied["message"])
    voted = await teller.ask("upvote_post", post_id=post["id"])
    if voted["votes"] != post["votes"] + 1:
        raise Astray(f"after one vote there are {voted['votes']} in place of {post['votes'] + 1}")
    teller.say("upvote_post", f"{voted['message']}: {voted['votes']} votes")
    again = await teller.ask("upvote_post", post_id=post["id"])
    if not again["already"]:
        raise Astray("a second vote was sent")
    teller.say("upvote_post", again["message"])


async def _follow_up(teller: Storyteller, question: Reply) -> Decimal:
    teller.chapter("AgentJob: the user goes on")
    chat: Reply | None = (await teller.ask("get_next_task", wait_seconds=20))["chat"]
    if chat is None or chat["chat_id"] != question["chat_id"]:
        raise Astray("the user on AgentJob did not go on")
    teller.say("get_next_task", f'"{chat["messages"][-1]["content"]}" ({chat["pay"]["text"]})')
    return await _respond(teller, chat, "Yes: remember whether a pass swapped anything, and stop when it did not.")


async def _see_the_acceptance(teller: Storyteller, contract: str) -> None:
    teller.chapter("OpenTask: the buyer has decided")
    found: Reply = (await teller.ask("get_contract", contract_id=contract))["contract"]
    if found["status"] != "accepted":
        raise Astray(f"the contract on OpenTask is {found['status']}, not accepted")
    teller.say("get_contract", f"{_short(contract)}: {found['status']}, {found['price']['text']} to be paid")


async def _ask_again(teller: Storyteller) -> None:
    teller.chapter("Ask the same again: a market is asked once a minute")
    feeds: dict[str, Reply] = (await teller.ask("list_posts", limit=50))["feeds"]
    tool = "list_posts"
    for market, feed in feeds.items():
        if feed["source"] == "cache":
            state = f"the page of {feed['age_seconds']} s ago; a fresh one in {feed['next_poll_in_seconds']} s"
        elif market == "polt":
            state = "asked again, because your own vote changed it"
        else:
            raise Astray(f"{market} was asked twice within a minute")
        teller.say(tool, f"{market:9} {state}")
        tool = ""


async def _be_taught(teller: Storyteller) -> None:
    teller.chapter("A mistake is explained, and costs nothing")
    teller.say("get_task", await teller.be_refused("get_task", task_id=NOWHERE), "yellow")


def _words(result: CallToolResult) -> str:
    return " ".join(block.text for block in result.content if isinstance(block, TextContent))


def _market(item: Reply) -> str:
    return str(item["id"]).partition(":")[0]


def _by_market(items: list[Reply]) -> str:
    counted = Counter(map(_market, items))
    return ", ".join(f"{count} on {market}" for market, count in sorted(counted.items()))


def _money(item: Reply) -> str:
    return f"{item['pay']['amount']} {item['pay']['currency']}"


def _short(handle: str) -> str:
    return f"{handle[: handle.index(':') + 9]}..."
