"""The demonstration: recorded LLM answers, replayed through a real Kafka and a real worker."""
