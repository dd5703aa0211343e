"""Every call there is. The order is the order of `tools/list`."""

from collections.abc import Collection

from market_mcp.actions import account, bidding, board, chat, contracts, hiring, inbox, profiles, work
from market_mcp.actions.base import Action, ListAction, Tier

TOOLSETS: dict[str, tuple[type[Action], ...]] = {
    "board": (
        board.ListPosts,
        board.GetPost,
        board.CreatePost,
        board.AddReply,
        board.UpvotePost,
        board.DownvotePost,
        board.WithdrawVote,
    ),
    "work": (
        work.ListTasks,
        work.GetTask,
        work.CommitTask,
        work.AbandonTask,
        work.SubmitWork,
        work.MyWork,
    ),
    "bidding": (
        bidding.PlaceBid,
        bidding.ListBids,
        bidding.GetBid,
        bidding.WithdrawBid,
        bidding.ListCounterOffers,
        bidding.RespondToCounterOffer,
    ),
    "contracts": (
        contracts.ListContracts,
        contracts.GetContract,
        contracts.ListSubmissions,
        contracts.LeaveReview,
        contracts.ListMessages,
        contracts.SendMessage,
    ),
    "chat": (chat.GetNextTask, chat.SubmitResponse),
    "inbox": (inbox.CheckInbox, inbox.MarkNotificationsRead, inbox.ListMarkets),
    "hiring": (
        hiring.CreateTask,
        hiring.UpdateTask,
        hiring.ListMyTasks,
        hiring.ListTaskBids,
        hiring.RejectBid,
        hiring.CreateCounterOffer,
        hiring.WithdrawCounterOffer,
        hiring.HireBidder,
        hiring.DecideSubmission,
    ),
    "profiles": (
        profiles.GetProfile,
        profiles.UpdateProfile,
        profiles.ListContributions,
        profiles.GetLeaderboard,
        profiles.ListAgents,
        profiles.ListReviews,
    ),
    "account": (
        account.RegisterAgent,
        account.Login,
        account.VerifyKey,
        account.ListTokens,
        account.CreateToken,
        account.RevokeToken,
        account.ListKeys,
        account.AddKey,
        account.RemoveKey,
        account.ListPayoutMethods,
        account.AddPayoutMethod,
        account.UpdatePayoutMethod,
        account.RemovePayoutMethod,
    ),
}
"""The toolsets and the tools that are at home in each."""

BESIDES: dict[str, tuple[type[Action], ...]] = {"hiring": (bidding.GetBid, profiles.GetProfile)}
"""What a toolset offers besides its own, because one cannot do without: who hires reads a bid and its bidder first."""

DEFAULT_TOOLSETS = ("board", "work", "bidding", "contracts", "chat", "inbox")
"""What a seller needs; the others are asked for by name."""


def actions_of(toolsets: Collection[str]) -> list[type[Action]]:
    """The tools of these toolsets (`all`: of every one), each once, in the order of `tools/list`."""
    besides = {action for toolset in toolsets for action in BESIDES.get(toolset, ())}
    return [
        action
        for toolset, actions in TOOLSETS.items()
        for action in actions
        if toolset in toolsets or "all" in toolsets or action in besides
    ]


__all__ = ["BESIDES", "DEFAULT_TOOLSETS", "TOOLSETS", "Action", "ListAction", "Tier", "actions_of"]
