"""What is known of models: the registry, predicted cost and latency, and what was measured."""
