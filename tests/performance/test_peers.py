"""The benchmark's peers do the same job as thalweg: the same features, the same choices."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from core.bandits.linucb import LinUCBBandit
from core.router import Router
from core.routing.part import Inputs
from schemas.policy import LinUCB
from schemas.state import decision_key, decode_decision
from tests.benchmarks.bandit_peer import LinUCB as PeerLinUCB
from tests.benchmarks.bandit_peer import open_decision, split_decision
from tests.benchmarks.events import Workload
from tests.performance.traffic import Record


@pytest.mark.parametrize("dim", [10, 30])
def test_a_peer_sees_the_features_that_the_router_sees(dim: int) -> None:
    workload = Workload(routes=1, dim=dim)
    peer = PeerLinUCB(workload.arms, dim)
    router = Router(lambda key: None)
    policies = [Record(0, 1, *workload.policies()[0])]
    events = [workload.request("r", number) for number in range(50)]
    requests = [Record(offset, 1, *event) for offset, event in enumerate(events)]
    puts = router.handle(Inputs(policies, requests), emitted=0).puts
    for _, value in events:
        request = orjson.loads(value)
        stored = puts[decision_key(request["route"], request["request_id"])]
        assert stored is not None
        expected = np.frombuffer(decode_decision(stored).x, "<f4")
        np.testing.assert_allclose(peer.context(request["context"]), expected, atol=1e-6)


def test_a_peer_chooses_and_learns_as_the_router_does() -> None:
    arms, dim = 5, 10
    rng = np.random.default_rng(11)
    peer, ours = PeerLinUCB(arms, dim), LinUCBBandit(LinUCB(alpha=1.0, ridge=1.0), dim)
    states = [peer.new] * arms
    known = [ours.new(None) for _ in range(arms)]
    for _ in range(300):
        x = np.append(1.0, rng.uniform(0.0, 1.0, dim - 1))
        shares = ours.distribution(known, x[None, :])[0]
        arm = peer.choose(states, x)
        assert shares[arm] > 0.0
        kept, context = split_decision(open_decision(arm, x))
        reward = float(rng.uniform(0.0, 1.0) * (arm + 1) / arms)
        states[kept] = peer.learn(states[kept], context, reward)
        ours.learn(known[arm], x, reward)


def test_keys_that_follow_zipf_favour_the_first_route_as_it_says() -> None:
    workload = Workload(routes=10, keys="zipf")
    keys = [workload.request("r", number)[0] for number in range(65_536)]
    share = keys.count(b"acme/route-000000") / len(keys)
    assert share == pytest.approx(1 / sum(1 / n for n in range(1, 11)), abs=0.01)
