"""What ``thalweg notify`` can be told, and what it says to what it cannot do."""

from __future__ import annotations

import asyncio
import base64
import socket
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from streams.cli import main
from streams.notify.incidents import Selection
from streams.notify.receivers import (
    Defaults,
    Entry,
    Receiver,
    ReceiverError,
    read_file,
    receivers,
)
from tests.notify.hook import Got, Hook, fine, hooked, status

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner(env={"THALWEG_BROKERS": "", **environment}).invoke(
        main, ["notify", *arguments], catch_exceptions=False
    )


def of_file(path: Path, text: str, **environment: str) -> list[Receiver]:
    path.write_text(text)
    return receivers(read_file(path), Defaults(min_severity="warning"), environment)


def test_receivers_are_read_from_yaml_with_their_secrets_from_the_environment(
    tmp_path: Path,
) -> None:
    chat, alertmanager, own, second = of_file(
        tmp_path / "notify.yaml",
        """
        receivers:
          - {kind: slack, url: env:CHAT, routes: ["acme/*"], types: [drift, join]}
          - name: oncall
            kind: alertmanager
            url: http://alertmanager:9093/prefix/
            min_severity: critical
            token_env: TOKEN
            resend: 2m
          - {kind: webhook, url: "https://hooks.example/x?key=a%2Fb", secret_env: SECRET}
          - {kind: slack, url: "https://hooks.example/2", timeout: 3, give_up_after: 1d}
        """,
        CHAT="https://hooks.slack.example/services/T0/B0/xyz",
        TOKEN="t0k",
        SECRET=SECRET,
    )
    assert chat.url == "https://hooks.slack.example/services/T0/B0/xyz"
    assert chat.selection == Selection(("acme/*",), ("drift", "join"), "warning")
    assert (alertmanager.name, alertmanager.selection.min_severity) == ("oncall", "critical")
    assert alertmanager.url == "http://alertmanager:9093/prefix/api/v2/alerts"
    assert (alertmanager.token, alertmanager.resend) == ("t0k", 120.0)
    assert own.url == "https://hooks.example/x?key=a%2Fb"
    assert own.signing_key == KEY
    assert (second.name, second.timeout, second.give_up_after) == ("slack-2", 3.0, 86_400.0)
    shown = repr([chat, alertmanager, own, second])
    for secret in ("xyz", "t0k", "a%2Fb", repr(KEY)):
        assert secret not in shown


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("receivers: []", "nobody would be told"),
        ("receivers: [{kind: slack}]", "missing required field `url`"),
        ("receivers: [{kind: pager, url: 'https://x'}]", "Invalid enum value 'pager'"),
        ("receivers: [{kind: slack, url: 'https://x', min_sevrity: info}]", "min_sevrity"),
        ("receivers: [{kind: slack, url: 'env:NONE'}]", "variable 'NONE', which is not set"),
        ("receivers: [{kind: slack, url: 'ftp://s3cr3t'}]", "slack: its URL must be like https"),
        ("receivers: [{kind: slack, url: 'http://[s3cr3t'}]", "slack: its URL must be like https"),
        ("receivers: [{kind: slack, url: 'https://x', timeout: soon}]", "slack: timeout: 'soon'"),
        ("receivers: [{kind: slack, url: 'https://x', name: a/b}]", "'a/b' would name a consumer"),
        (
            "receivers: [{kind: slack, url: http://x, name: a}, {kind: slack, url: y, name: a}]",
            "two receivers are called 'a'",
        ),
        ("receivers: [{kind: slack, url: 'https://x', secret_env: S}]", "only webhooks are signed"),
        ("receivers: [{kind: webhook, url: 'https://x', secret_env: S}]", "openssl rand"),
        ("receivers: [{kind: webhook, url: 'https://u:p@x', token_env: S}]", "exclude each other"),
        ("receivers: [{kind: slack, url: 'https://x', page_url: here}]", "page_url must begin"),
        ("receivers: [{kind: slack, url: 'https://x', max_attempts: -1}]", "max_attempts must be"),
        (
            "receivers: [{kind: slack, url: 'https://x', first_retry: 2m}]",
            "last_retry is shorter",
        ),
        ("receivers: {", "not YAML"),
    ],
)
def test_what_is_wrong_with_receivers_is_said_without_their_secrets(
    tmp_path: Path, text: str, problem: str
) -> None:
    with pytest.raises(ReceiverError) as caught:
        of_file(tmp_path / "notify.yaml", text, S="s3cr3t")
    assert problem in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__cause__ is None or "s3cr3t" not in str(caught.value.__cause__)


def test_names_that_were_given_are_not_taken_again() -> None:
    entries = [
        Entry(kind="slack", url="https://a"),
        Entry(kind="slack", url="https://b"),
        Entry(kind="webhook", url="https://c"),
    ]
    assert [one.name for one in receivers(entries, Defaults(), {})] == [
        "slack", "slack-2", "webhook",
    ]  # fmt: skip


def test_options_that_do_not_fit_are_told_in_one_line(tmp_path: Path) -> None:
    for arguments, problem in (
        ([], "nobody would be told"),
        (["--secret-env=S", "--slack=https://x"], "there is no --webhook"),
        (["--slack=https://x", "--type=drif"], "'drif' is not one of"),
        (["--slack=https://x", "--timeout=long"], "'long' is not a duration"),
        (["--slack=env:NO_SUCH_URL"], "'NO_SUCH_URL', which is not set"),
    ):
        result = run(*arguments)
        assert result.exit_code in (1, 2)
        assert problem in result.stderr
        assert "Traceback" not in result.stderr


def test_without_kafka_or_its_topics_it_says_so(brokers: str, topic_prefix: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    result = run("--slack=https://x.example", "--brokers", address)
    assert result.exit_code == 1
    assert f"no Kafka answers at {address}" in result.stderr
    result = run("--slack=https://x.example", "--brokers", brokers, "--topic-prefix", topic_prefix)
    assert result.exit_code == 1
    assert f"there is no topic '{topic_prefix}drift', '{topic_prefix}dead-letters'" in result.stderr


def test_receivers_can_be_tried_out() -> None:
    async def refusing(got: Got) -> web.Response:
        return await fine(got) if "attachments" in got.json else status(403, f"at {got.path}")

    async def main_() -> tuple[Result, Hook]:
        async with hooked(refusing) as hook:
            return await asyncio.to_thread(
                run, "--test", "--slack=env:URL", "--webhook=env:URL", URL=hook.url
            ), hook

    result, hook = asyncio.run(main_())
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "slack (slack at 127.0.0.1): accepted",
        "webhook (webhook at 127.0.0.1): answered 403: at ***",
    ]
    assert hook.got[1].json["message"] == "a test of `thalweg notify`: nothing happened"
    assert hook.got[1].json["event"] == "notice"
