"""Contexts through the router: categories learned from the stream, and embeddings that fit."""

from __future__ import annotations

from typing import Any

from core.context.vocabulary import Vocabularies
from schemas.state import vocabularies_key
from tests.core.routing import Driver, R

LEARNED = {"features": [{"encode": "vocabulary", "field": "task_type", "size": 2}]}
EMBEDDED = {"features": [{"encode": "embedding", "dim": 3}]}
LINUCB = {"name": "linucb"}


def ask(driver: Driver, request_id: str, **context: Any) -> dict[str, Any]:
    return driver.request(R, request_id, context=context)


def words(driver: Driver) -> list[str]:
    stored = driver.items[vocabularies_key(R)]
    return list(Vocabularies.decode(stored).values("task_type"))


def test_a_vocabulary_is_learned_once_and_outlives_restarts_and_policies() -> None:
    driver = Driver()
    driver.policy(R, algorithm=LINUCB, context=LEARNED)
    for number, task in enumerate(("code", "chat", "code", "mail")):
        ask(driver, f"q{number}", task_type=task)
        driver.restart()
    assert words(driver) == ["code", "chat"]
    driver.policy(R, 2, algorithm={"name": "thompson_gaussian"})
    ask(driver, "plain", task_type="legal")
    driver.policy(R, 3, algorithm={"name": "linear_thompson"}, context=LEARNED)
    ask(driver, "again", task_type="legal")
    assert words(driver) == ["code", "chat"]


def test_an_embedding_of_another_length_is_rejected_and_changes_nothing() -> None:
    driver = Driver()
    context = {"features": [*EMBEDDED["features"], *LEARNED["features"]]}
    driver.policy(R, algorithm=LINUCB, context=context)
    answer = ask(driver, "q", embedding=[1.0, 2.0], task_type="code")
    assert (answer["status"], answer["code"]) == ("rejected", "invalid_request")
    assert "expected 3 numbers, found 2" in answer["reason"]
    assert vocabularies_key(R) not in driver.items
    assert ask(driver, "r", embedding=[1.0, 2.0, 3.0])["status"] == "decided"
    assert ask(driver, "s")["status"] == "decided"
    assert driver.counts(R).decided == 2
