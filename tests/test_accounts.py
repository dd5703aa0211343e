"""An id finds its way to the one market it belongs to, or to none at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_mcp.accounts import Account, Accounts
from market_mcp.actions import Action
from market_mcp.actions.bidding import PlaceBid
from market_mcp.actions.board import CreatePost, GetPost, ListPosts
from market_mcp.actions.hiring import HireBidder
from market_mcp.actions.work import CommitTask, GetTask, ListTasks
from market_mcp.errors import BadCall

UUID = "550e8400-e29b-41d4-a716-446655440000"
CANARY = "polt_canary5f3e"

POLT = Account("polt", "polt", "https://polt.fun", CANARY)
OTHER_POLT = Account("polt-two", "polt", "https://polt.fun", "polt_two45678")
AGENTJOB = Account("agentjob", "agentjob", "https://agent-job.ai", "ak_12345678")
OPENTASK = Account("opentask", "opentask", "https://opentask.ai", "ot_12345678")


@pytest.fixture
def accounts() -> Accounts:
    return Accounts([POLT, AGENTJOB, OPENTASK])


def refusal(accounts: Accounts, action: Action) -> BadCall:
    with pytest.raises(BadCall) as caught:
        accounts.resolve(action)
    return caught.value


def test_a_handle_names_its_market_and_the_market_gets_its_own_id(accounts: Accounts) -> None:
    account, native = accounts.resolve(GetTask(task_id=f"opentask:{UUID}"))
    assert account is OPENTASK
    assert native == GetTask(task_id=UUID)


def test_a_bare_id_is_understood_where_only_one_market_can_be_meant(accounts: Accounts) -> None:
    account, native = accounts.resolve(CommitTask(task_id=UUID))
    assert (account, native) == (POLT, CommitTask(task_id=UUID))


def test_a_bare_id_that_could_belong_to_several_is_refused_with_how_to_write_it(accounts: Accounts) -> None:
    error = refusal(accounts, GetTask(task_id=UUID))
    assert "does not say which market" in error.message
    assert "market:id" in error.next
    assert "polt, opentask" in error.next
    assert "agentjob" not in error.next


def test_a_bare_id_that_was_seen_from_one_market_belongs_to_it(accounts: Accounts) -> None:
    accounts.remember(f"opentask:{UUID}", "task")
    assert accounts.resolve(GetTask(task_id=UUID))[0] is OPENTASK


def test_a_bare_id_that_two_markets_use_belongs_to_none(accounts: Accounts) -> None:
    for name in ("opentask", "polt", "opentask"):
        accounts.remember(f"{name}:{UUID}", "task")
    assert "does not say which market" in refusal(accounts, GetTask(task_id=UUID)).message


@pytest.mark.parametrize("seen", [None, 7, "no-colon", "", ["polt:1"]])
def test_what_is_no_handle_is_not_remembered(accounts: Accounts, seen: object) -> None:
    accounts.remember(seen, "task")
    refusal(accounts, GetTask(task_id="no-colon"))
    assert accounts.recent("task", "") == []


def test_only_so_many_ids_are_remembered_and_the_oldest_are_forgotten_first() -> None:
    accounts = Accounts([POLT, OPENTASK])
    for number in range(Accounts.SEEN + 2):
        accounts.remember(f"polt:{number}", "task")
        accounts.remember("polt:often", "task")
    assert accounts.resolve(GetTask(task_id="often"))[0] is POLT
    assert accounts.resolve(GetTask(task_id=str(Accounts.SEEN)))[0] is POLT
    refusal(accounts, GetTask(task_id="0"))


def test_ids_seen_are_recalled_by_kind_and_market_the_latest_first(accounts: Accounts) -> None:
    for handle in ("polt:1", "opentask:2", "polt:3", "polt:1"):
        accounts.remember(handle, "task")
    accounts.remember("polt:4", "bid")
    assert accounts.recent("task", "polt") == ["1", "3"]
    assert accounts.recent("task", "") == ["1", "3", "2"]
    assert accounts.recent("contract", "") == []


@pytest.mark.parametrize(
    ("handle", "said"),
    [
        (f"pollt:{UUID}", "is no configured market"),
        (f":{UUID}", "is no configured market"),
        (f"POLT:{UUID}", "is no configured market"),
        (f"agentjob:{UUID}", "does not support commit_task"),
        (f"opentask:{UUID}", "does not support commit_task"),
    ],
)
def test_a_handle_of_a_market_that_cannot_do_this_is_refused_with_those_that_can(
    accounts: Accounts, handle: str, said: str
) -> None:
    error = refusal(accounts, CommitTask(task_id=handle))
    assert said in error.message
    assert error.next == "Markets: polt."


HOSTILE_IDS = [
    "..", ".", "../../cto", "a/../../cto", "a/b", "/", "a?b=c", "a#b", "a%2e%2e", "a\\b", "-a", "_a", "a b", "a\nb",
    "a\n", "é", "a\u202eb", "a\u200b", "a:b", "@evil.example", "{task_id}", "%s", "a;b", "a,b", "a" * 129,
    "٣", "a\x00", "$(id)", "a.b", "~",
]  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE_IDS)
def test_an_id_that_is_not_in_the_platforms_form_goes_nowhere(accounts: Accounts, hostile: str) -> None:
    for handle in (f"polt:{hostile}", hostile):
        refusal(accounts, CommitTask.model_construct(task_id=handle))


@given(st.one_of(st.text(max_size=30), st.text("polt:./a%?#\\-_ \n", max_size=30)))
def test_whatever_the_handle_what_enters_a_path_is_one_plain_word(handle: str) -> None:
    accounts = Accounts([POLT, AGENTJOB, OPENTASK])
    try:
        _, native = accounts.resolve(GetPost.model_construct(post_id=handle))
    except BadCall as error:
        assert len(error.message) < 400
    else:
        assert isinstance(native, GetPost)
        assert native.post_id.replace("-", "").replace("_", "").isalnum()
        assert native.post_id.isascii()
        assert 0 < len(native.post_id) <= 128


def test_a_refusal_quotes_only_the_beginning_of_a_long_id(accounts: Accounts) -> None:
    assert len(refusal(accounts, GetTask(task_id="x" * 200)).message) < 200


def test_ids_of_two_markets_in_one_call_are_refused() -> None:
    second = Account("second", "opentask", "https://opentask.ai", "ot_2")
    action = HireBidder(task_id=f"opentask:{UUID}", bid_id=f"second:{UUID}")
    error = refusal(Accounts([OPENTASK, second]), action)
    assert error.message == "These ids belong to two markets: opentask and second."


def test_ids_of_two_accounts_on_one_platform_are_ids_of_two_markets() -> None:
    accounts = Accounts([POLT, OTHER_POLT])
    assert accounts.resolve(CommitTask(task_id=f"polt-two:{UUID}"))[0] is OTHER_POLT
    assert "polt, polt-two" in refusal(accounts, CommitTask(task_id=UUID)).next


def test_without_an_id_the_market_that_can_is_meant_or_the_one_that_is_named() -> None:
    post = CreatePost(title="A title", body="A body of twenty or more characters.")
    accounts = Accounts([POLT, AGENTJOB, OPENTASK])
    assert accounts.resolve(post)[0] is AGENTJOB
    second = Account("second", "agentjob", "https://agent-job.ai", "ak_2")
    accounts = Accounts([AGENTJOB, second])
    error = refusal(accounts, post)
    assert error.message == "Which market is meant?"
    assert "agentjob, second" in error.next
    assert accounts.resolve(post.model_copy(update={"market": "second"}))[0] is second


def test_where_no_market_can_this_is_said() -> None:
    error = refusal(Accounts([POLT]), CreatePost(title="A title", body="A body of twenty or more characters."))
    assert "No configured market supports `create_post`" in error.message


def test_a_market_that_is_named_and_cannot_is_refused_with_those_that_can(accounts: Accounts) -> None:
    with pytest.raises(BadCall) as caught:
        accounts.choose(ListTasks, "agentjob")
    assert caught.value.next == "Markets: polt, opentask."


def test_without_a_name_all_markets_that_can_are_chosen_in_order(accounts: Accounts) -> None:
    assert accounts.choose(ListPosts, None) == [POLT, AGENTJOB, OPENTASK]
    assert accounts.choose(PlaceBid, None) == [OPENTASK]
    assert accounts.choose(PlaceBid, "opentask") == [OPENTASK]


def test_an_account_is_the_same_to_every_process_with_its_key_and_another_with_another() -> None:
    again = Account("any-name", "polt", "https://polt.fun", CANARY, presence="on")
    assert again.id == POLT.id
    others = [
        OTHER_POLT,
        Account("polt", "polt", "https://polt.fun"),
        Account("polt", "polt", "https://other.example", CANARY),
        Account("polt", "opentask", "https://polt.fun", CANARY),
    ]
    assert len({account.id for account in [POLT, *others]}) == 5
    assert POLT.id.isalnum()


def test_a_key_goes_into_the_authorization_and_into_nothing_that_is_printed() -> None:
    assert POLT.authorization() == f"Bearer {CANARY}"
    assert Account("polt", "polt", "https://polt.fun").authorization() is None
    assert CANARY not in repr(POLT)
    assert CANARY not in POLT.id


def test_a_new_key_makes_the_account_another_to_the_state(accounts: Accounts) -> None:
    accounts.rekey("polt", "polt_new45678")
    account = accounts.resolve(CommitTask(task_id=UUID))[0]
    assert account.authorization() == "Bearer polt_new45678"
    assert account.id != POLT.id
    assert sorted(accounts.secrets()) == ["ak_12345678", "ot_12345678", "polt_new45678"]
