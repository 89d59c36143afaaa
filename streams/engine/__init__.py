"""The loop of a worker: what was fetched is applied, made durable, published."""
