"""Whatever stands in logs, tags, ledgers and DAGs: in a message it is text, and changes nothing around it."""

from __future__ import annotations

import email
import email.policy
import json
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
from fakes import START
from hostile import Sentinel, documents, many, texts
from hypothesis import given
from hypothesis import strategies as st
from notification_world import Office, failed, mail_row

from kiln.errors import UsageError
from kiln.ledger.notices import NoticesUnreadableError
from kiln.notifications import caller, events, mail, topic, webhook
from kiln.notifications.messages import message
from kiln.run_ids import AIRFLOW_VARIABLE
from kiln.settings import notification_rows, typed
from kiln.settings.model import Notifying

if TYPE_CHECKING:
    from kiln.notifications.messages import Message

_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
LINES = ("what", "task", "phase", "exit_code", "failure_class", "fix", "cluster_id", "cluster_state")
BLOCKS = ("cause", "details", "commands", "links")
# Every field of Facts that holds text of others.
FACTS = st.fixed_dictionaries(
    {name: texts("$what", "${cause}") for name in (*LINES, "held_until")}
    | {name: st.lists(texts("$what"), max_size=3).map(tuple) for name in BLOCKS}
)


def made(given_facts: dict[str, Any], event: str, sentinel: Sentinel) -> Message:
    within: dict[str, Any] = {
        name: sentinel.within(value) if isinstance(value, str) else tuple(map(sentinel.within, value))
        for name, value in given_facts.items()
    }
    return message(event, "failed/1", failed(**within).facts)


@pytest.fixture(scope="module")
def sentinel(tmp_path_factory: pytest.TempPathFactory) -> Sentinel:
    return Sentinel(tmp_path_factory.mktemp("sentinel"))


@many
@given(given_facts=FACTS, event=st.sampled_from(sorted(events.EVENTS)))
def test_a_message_is_bounded_text_without_control_characters_in_the_forms_of_all_kinds(
    given_facts: dict[str, Any], event: str, sentinel: Sentinel
) -> None:
    one = made(given_facts, event, sentinel)
    assert len(one.subject) <= 150
    assert len(one.text) <= 12_000
    assert {sign for sign in one.subject if unicodedata.category(sign) in _UNSEEN} == set()
    assert {sign for sign in one.text if unicodedata.category(sign) in _UNSEEN} <= {"\n"}
    headings = [line.partition(":")[0] for line in one.text.splitlines()[1:] if line[:1].isupper()]
    assert len(headings) == len(set(headings))
    slack = str(webhook.document(one)["text"])
    assert not {"<", ">"} & set(slack)
    assert "@channel" not in slack.lower()
    subject = topic.subject(one)
    assert subject.isascii()
    assert subject.isprintable()
    assert 0 < len(subject) < 100
    sentinel.check()


@many
@given(subject=texts(), cause=texts())
def test_a_mail_has_its_own_headers_only(subject: str, cause: str, sentinel: Sentinel) -> None:
    one = made({"what": subject, "cause": (cause,)}, "failed", sentinel)
    raw = mail.mail_of(mail_row(25), one, START).as_bytes()
    assert raw.isascii()
    read = email.message_from_bytes(raw, policy=email.policy.default)
    known = {"Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted"}
    known |= {"Content-Type", "Content-Transfer-Encoding", "MIME-Version"}
    assert sorted(read.keys()) == sorted(known)
    assert read["To"] == "ops@example.com"
    assert not read.is_multipart()
    assert read.get_content().splitlines() == one.text.splitlines()
    assert all(len(line) <= 998 for line in raw.splitlines())


@many
@given(document=documents())
def test_rows_are_rows_or_one_error_that_shows_no_secret(document: Any) -> None:
    said: list[str] = []
    secret = "https://hooks.example.com/SECRET"
    for value in (document, [document], [{"name": "a", "kind": "webhook", "url": document}]):
        try:
            notification_rows.check_secrets(value, "x.yml")
            rows = typed.convert(
                {"kiln_notifications": value, "aws_region": "r", "kiln_state_uri": "s3://a"},
                Notifying,
                label="x.yml",
            ).kiln_notifications
            notification_rows.check(rows, "x.yml")
        except UsageError as error:
            said.append(error.message)
    assert all(one.startswith("x.yml: ") and one.isprintable() for one in said)
    for value in (
        secret,
        {"url": secret},
        [secret],
        [{"url": secret}],
        [{"url": [secret]}],
        [{"password": secret}],
    ):
        with pytest.raises(UsageError) as error_info:
            notification_rows.check_secrets(value, "x.yml")
        assert "SECRET" not in str(error_info.value.message) + error_info.value.fix


@many
@given(document=documents())
def test_a_record_of_any_content_is_a_record_or_one_error(document: Any) -> None:
    office = Office()
    for value in (document, {"notices": document}):
        office.aws.objects[office.store.uri] = json.dumps(value).encode()
        with pytest.raises(NoticesUnreadableError):
            office.store.claim("failed/1", "ops", "failed")


@many
@given(values=st.lists(texts("1", "2", "99"), min_size=4, max_size=4))
def test_variables_of_airflow_are_only_ever_text_and_numbers(values: list[str]) -> None:
    names = ("AIRFLOW_CTX_TASK_ID", "AIRFLOW_CTX_TRY_NUMBER", "KILN_TASK_TRIES", "KILN_LOG_URL")
    who = caller.of({AIRFLOW_VARIABLE: "r1", **dict(zip(names, values, strict=True))})
    assert 1 <= who.number < 10**6
    assert 0 <= who.tries < 10**6
    assert len(who.task) <= 250
    who.tries_again(14)
