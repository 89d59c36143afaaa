"""One or more examples of every wire record, as JSON values; tests hold them to the schemas."""

from __future__ import annotations

from typing import Any, Final

EXAMPLES: Final[dict[str, list[dict[str, Any]]]] = {
    "request": [
        {
            "request_id": "r-1",
            "route": "acme/chat",
            "timestamp": "2026-05-04T12:00:00.250Z",
            "context": {
                "input_tokens": 256,
                "output_length_category": "medium",
                "priority": 7,
                "task_type": "code_generation",
                "user_id": "u1",
                "region": "eu",
                "language": "python",
                "metadata": {"framework": "torch"},
            },
        },
        {"request_id": "r-2", "route": "acme/chat", "candidates": ["gpt-5.4", "small"]},
    ],
    "reward": [
        {
            "request_id": "r-1",
            "route": "acme/chat",
            "timestamp": 1777896002000,
            "cost_usd": 0.0042,
            "latency_ms": 812,
            "success": True,
            "arm": "gpt-5.4",
            "final": False,
        },
        {
            "request_id": "r-1",
            "route": "acme/chat",
            "quality": 0.9,
            "signals": {"rating": 5, "retried": False, "edited": False, "dwell_s": 31},
        },
    ],
    "policy": [
        {
            "route": "acme/chat",
            "version": 12,
            "arms": [
                {
                    "id": "gpt-5.4",
                    "model": "openai/gpt-5.4",
                    "params": {"temperature": 0.7},
                    "price": {"input_per_mtok": 1.25, "output_per_mtok": 10.0},
                    "prior": {"mean": 0.8, "weight": 4.0},
                },
                {"id": "small", "model": "local/llama", "price": {"per_request": 0.0001}},
            ],
            "algorithm": {"name": "linucb", "alpha": 1.0},
            "objective": {"preset": "balanced"},
            "context": {
                "segment_by": ["task_type"],
                "features": [
                    {"encode": "log", "field": "input_tokens"},
                    {"encode": "one_hot", "field": "region", "values": ["eu", "us"]},
                    {"encode": "hashed", "field": "metadata.framework", "buckets": 8},
                ],
            },
            "reward": {"window": "30m"},
            "drift": {"on": ["quality", "cost"], "action": "restart_arm"},
        },
        {
            "route": "acme/extract",
            "version": 3,
            "arms": [
                {"id": "old", "model": "openai/gpt-4.1"},
                {
                    "id": "new",
                    "model": "openai/gpt-5.4",
                    "warm_start": {"like": "old", "weight": 20.0},
                },
            ],
            "algorithm": {"name": "linear_thompson"},
            "cold_start": {"pulls": 5},
            "forgetting": {"name": "discount", "factor": 0.999},
            "objective": {
                "expression": "0.7 * either(quality, signal_score) + 0.3 * cost_saved",
                "cost_scale_usd": 0.01,
            },
            "context": {
                "features": [
                    {"encode": "vocabulary", "field": "task_type", "size": 16},
                    {"encode": "embedding", "dim": 384, "project": 16},
                ]
            },
        },
        {
            "route": "acme/tuned",
            "version": 1,
            "arms": [{"id": "gpt-5.4", "model": "openai/gpt-5.4"}],
            "algorithm": {
                "name": "search",
                "space": {
                    "temperature": {"low": 0.0, "high": 2.0},
                    "max_tokens": {"low": 64, "high": 4096, "type": "integer", "scale": "log"},
                },
                "evaluations": 40,
            },
        },
        {
            "route": "acme/mail",
            "version": 7,
            "arms": [
                {"id": "mini", "model": "openai/gpt-5.4-mini"},
                {"id": "large", "model": "openai/gpt-5.4"},
            ],
            "guardrails": {"min_share": 0.05, "min_quality": 0.7, "fallback": "large"},
            "budget": {"usd_per_request": 0.003},
            "experiment": {
                "name": "bandit-or-split",
                "unit": "user_id",
                "variants": [
                    {"id": "control"},
                    {"id": "split", "algorithm": {"name": "fixed_split"}},
                ],
                "guardrails": {"quality": 0.05},
            },
        },
        {
            "route": "acme/legal",
            "version": 8,
            "arms": [
                {"id": "mini", "model": "openai/gpt-5.4-mini"},
                {"id": "large", "model": "openai/gpt-5.4"},
            ],
            "rollout": {
                "name": "context",
                "algorithm": {"name": "linear_thompson"},
                "margins": {"quality": 0.02},
                "min_time": "1h",
            },
        },
    ],
    "decision": [
        {
            "status": "decided",
            "request_id": "r-1",
            "route": "acme/chat",
            "arm": "gpt-5.4",
            "model": "openai/gpt-5.4",
            "params": {"temperature": 0.7},
            "propensity": 0.873,
            "policy_version": 12,
            "state_version": 48213,
            "timestamp": 1777896000250,
        },
        {
            "status": "rejected",
            "request_id": "r-3",
            "route": "acme/unknown",
            "code": "unknown_route",
            "reason": "route 'acme/unknown' has no policy; publish one, or name candidates",
            "state_version": 48214,
            "timestamp": 1777896000300,
        },
    ],
    "alert": [
        {
            "alert_id": "5f0c1d2e3a4b5c6d",
            "incident_id": "8b1a9953c4611296",
            "event": "opened",
            "route": "acme/chat",
            "arm": "gpt-5.4",
            "type": "drift",
            "severity": "critical",
            "metric": "quality",
            "before": {"mean": 0.91, "n": 4031},
            "after": {"mean": 0.74, "n": 212},
            "detector": "adwin",
            "action": "restart_arm",
            "detections": 1,
            "opened": 1777896120000,
            "message": "quality of gpt-5.4 fell from 0.91 to 0.74",
            "segment": "task_type=code_generation",
            "state_version": 48302,
            "timestamp": 1777896120000,
        }
    ],
    "dead-letter": [
        {
            "reason": "invalid_message",
            "message": "cost_usd: Expected `float` >= 0.0, found -1",
            "topic": "llm.rewards",
            "partition": 3,
            "offset": 1207,
            "timestamp": 1777896001000,
            "key": "acme/chat",
            "value": '{"request_id": "r-1", "route": "acme/chat", "cost_usd": -1}',
            "size": 59,
        }
    ],
}
