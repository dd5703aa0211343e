"""One day of an agent at work, in which every tool's example is called where it makes sense."""

from collections.abc import Callable, Iterable

from market_mcp.actions import account, bidding, board, chat, contracts, hiring, inbox, profiles, work
from market_mcp.cli.reference.stage import ExampleFailed, Reply, Stage

REACTION = 3.0
"""Seconds in which the pretend markets' other parties have answered."""

MINUTE = 61.0
"""Seconds after which every feed may be asked again."""


async def play(stage: Stage) -> None:
    """Calls every tool's example once. Raises ExampleFailed."""
    await _read_and_write(stage)
    await _look_around(stage)
    await _manage_the_accounts(stage)
    await stage.wait(MINUTE)
    tasks = await _take_work(stage)
    posted: str = (await stage.show(hiring.CreateTask))["task"]["id"]
    await stage.wait(REACTION)
    await _see_what_came(stage)
    contract = await _agree(stage, tasks)
    await _hire(stage, posted)
    await _talk(stage, contract)
    await stage.show(inbox.MarkNotificationsRead)
    await stage.show(inbox.ListMarkets)


async def _read_and_write(stage: Stage) -> None:
    posts: list[Reply] = (await stage.show(board.ListPosts))["posts"]
    post = _first(posts, "post on AgentJob", lambda item: item["id"].startswith("agentjob:"))["id"]
    await stage.wait(20)
    await stage.aside("held", board.ListPosts, **board.ListPosts.example)
    await stage.show(board.GetPost, post_id=post)
    await stage.show(board.AddReply, post_id=post)
    await stage.show(board.CreatePost)
    in_vote: Reply = (await stage.ask(board.ListPosts, market="polt", status="voting"))["posts"][0]
    await stage.show(board.UpvotePost, post_id=in_vote["id"])
    await stage.show(board.DownvotePost, post_id=in_vote["id"])
    await stage.show(board.WithdrawVote, post_id=in_vote["id"])
    await stage.aside("refused", work.GetTask, task_id=post)


async def _look_around(stage: Stage) -> None:
    agents: list[Reply] = (await stage.show(profiles.GetLeaderboard))["agents"]
    await stage.show(profiles.GetProfile, profile_id=agents[0]["id"])
    await stage.show(profiles.ListContributions, profile_id=agents[0]["id"])
    await stage.show(profiles.UpdateProfile)
    await stage.show(profiles.ListAgents)


async def _manage_the_accounts(stage: Stage) -> None:
    await stage.show(account.RegisterAgent)
    await stage.show(account.VerifyKey)
    email = account.Login.example["email"]
    await stage.ask(account.RegisterAgent, market="opentask", username="parser_smith", email=email)
    await stage.show(account.Login)
    token: Reply = await stage.show(account.CreateToken)
    await stage.show(account.ListTokens)
    await stage.show(account.RevokeToken, token_id=token["token_id"])
    key: Reply = (await stage.show(account.AddKey))["key"]
    await stage.show(account.ListKeys)
    await stage.show(account.RemoveKey, key_id=key["id"])
    method: Reply = (await stage.show(account.AddPayoutMethod))["payout_method"]
    await stage.show(account.ListPayoutMethods)
    await stage.show(account.UpdatePayoutMethod, payout_method_id=method["id"])
    await stage.show(account.RemovePayoutMethod, payout_method_id=method["id"])


async def _take_work(stage: Stage) -> list[str]:
    """Commits to bounties and bids on tasks; the ids of the tasks with a bid that stands."""
    bounties: list[Reply] = (await stage.ask(work.ListTasks, market="polt"))["tasks"]
    first, second, third = (bounty["id"] for bounty in bounties[:3])
    await stage.show(work.CommitTask, task_id=first)
    await stage.ask(work.CommitTask, task_id=second)
    await stage.ask(work.CommitTask, task_id=third)
    await stage.show(work.AbandonTask, task_id=third)
    await stage.show(work.SubmitWork, work_id=first)
    found: list[Reply] = (await stage.show(work.ListTasks))["tasks"]
    paid_in_usdc = [task for task in found if task["pay"].get("currency") == "USDC"]
    jobs = [task["id"] for task in paid_in_usdc if task["id"].startswith("opentask:")]
    await stage.show(work.GetTask, task_id=jobs[0])
    given_up: Reply = (await stage.ask(bidding.PlaceBid, task_id=jobs[0], price="470 USDC"))["bid"]
    await stage.show(bidding.WithdrawBid, bid_id=given_up["id"])
    await stage.show(bidding.PlaceBid, task_id=jobs[0])
    for job in jobs[1:]:
        await stage.ask(bidding.PlaceBid, task_id=job, price="460 USDC", eta_days=3)
    return jobs


async def _see_what_came(stage: Stage) -> None:
    # The post brought the agent online, and somebody has asked since.
    question: Reply = (await stage.show(chat.GetNextTask))["chat"]
    await stage.show(work.MyWork)
    await stage.show(inbox.CheckInbox)
    await stage.show(chat.SubmitResponse, task_id=question["task_id"])


async def _agree(stage: Stage, tasks: list[str]) -> str:
    """Answers the counter-offer that one of the bids met; the id of the contract that another one brought."""
    duties: list[Reply] = stage.examples["my_work"].result["work"]
    offer = _first(duties, "counter-offer to a bid", lambda duty: duty.get("next") == "respond_to_counter_offer")
    contract = _first(duties, "contract from a bid", lambda duty: duty["what"] == "deliver")
    await stage.show(bidding.ListBids)
    await stage.show(bidding.GetBid, bid_id=offer["bid_id"])
    await stage.show(bidding.ListCounterOffers, bid_id=offer["bid_id"])
    await stage.show(bidding.RespondToCounterOffer, bid_id=offer["bid_id"], counter_offer_id=offer["id"])
    return str(contract["id"])


async def _hire(stage: Stage, task: str) -> None:
    """The buyer's side, from the bids on our own task to the review of the delivery."""
    await stage.show(hiring.ListMyTasks)
    await stage.show(hiring.UpdateTask, task_id=task)
    bids: list[Reply] = (await stage.show(hiring.ListTaskBids, task_id=task))["bids"]
    chosen, other = bids[0], bids[1]
    await stage.show(hiring.RejectBid, bid_id=other["id"])
    offer: Reply = (await stage.show(hiring.CreateCounterOffer, bid_id=chosen["id"]))["counter_offer"]
    await stage.show(hiring.WithdrawCounterOffer, bid_id=chosen["id"], counter_offer_id=offer["id"])
    seller = await stage.ask(profiles.GetProfile, profile_id=chosen["bidder_id"])
    await stage.show(profiles.ListReviews, profile_id=chosen["bidder_id"])
    method: str = seller["profile"]["payout_methods"][0]["id"]
    hired = await stage.show(hiring.HireBidder, task_id=task, bid_id=chosen["id"], payout_method_id=method)
    contract = hired["contract"]["id"]
    await stage.wait(REACTION)
    await stage.show(contracts.ListSubmissions, contract_id=contract)
    await stage.show(hiring.DecideSubmission, contract_id=contract)
    await stage.show(contracts.LeaveReview, contract_id=contract)


async def _talk(stage: Stage, contract: str) -> None:
    await stage.wait(MINUTE)
    await stage.show(contracts.ListContracts)
    await stage.show(contracts.GetContract, contract_id=contract)
    await stage.show(contracts.SendMessage, contract_id=contract)
    await stage.show(contracts.ListMessages, contract_id=contract)


def _first(items: Iterable[Reply], what: str, fits: Callable[[Reply], bool]) -> Reply:
    for item in items:
        if fits(item):
            return item
    raise ExampleFailed(f"the examples need a {what}, and there was none")
