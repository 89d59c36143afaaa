"""The one error of the local broker."""


class LocalKafkaError(Exception):
    """The local Kafka cannot be had; the message says what the operator should do."""
