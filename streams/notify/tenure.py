"""One spell of owning partitions: from a rebalance to the next."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiokafka.structs import TopicPartition

from streams.notify.delivery import Deliverer
from streams.notify.incidents import Chosen
from streams.notify.lanes import Delivery
from streams.notify.letters import Letters
from streams.notify.reading import read_alert
from streams.notify.receivers import Receiver
from streams.notify.telemetry import Telemetry
from streams.notify.window import Window


class Tenure:
    """Takes the records of its partitions from their very beginning.

    What was done before only tells which incidents are open; the rest is delivered.
    """

    def __init__(
        self,
        receiver: Receiver,
        windows: Mapping[TopicPartition, Window],
        deliverer: Deliverer,
        letters: Letters,
        telemetry: Telemetry,
        since: float,
    ) -> None:
        """``since``: before it nothing could be delivered, seconds since 1970."""
        self.windows = windows
        self.behind = {tp: window.committed for tp, window in windows.items()}
        """The partitions of which not all is read that was done before, and up to where that is."""
        self._receiver = receiver
        self._deliverer = deliverer
        self._letters = letters
        self._telemetry = telemetry
        self._since = since
        self._chosen = Chosen(receiver.selection)
        self._task = asyncio.create_task(deliverer.run())

    async def take(self, record: Any) -> None:
        """The next record of one of the partitions."""
        window = self.windows[TopicPartition(record.topic, record.partition)]
        begun = window.begin(record.offset)
        try:
            alert = read_alert(record.value)
        except ValueError as error:
            if begun:
                message = (
                    f"receiver {self._receiver.name} was not told, as this is no alert ({error}); "
                    "if a newer thalweg wrote it, update this one"
                )
                await self._letters.send(record, message)
                self._counted("dead_letter")
                window.done(record.offset)
            return
        chosen = self._chosen.take(alert)
        if not begun:
            if chosen:
                self._deliverer.told(alert)
        elif chosen:
            since = max(self._since, record.timestamp / 1_000)
            self._deliverer.add(Delivery(record, alert, since))
        else:
            self._counted("unwanted")
            window.done(record.offset)

    def read_to(self, positions: Mapping[TopicPartition, int]) -> None:
        """Note how far the partitions are read; what is open is known once none is behind."""
        for tp, position in positions.items():
            if position >= self.behind[tp]:
                del self.behind[tp]
        if not self.behind:
            self._deliverer.remind()

    def done(self, record: Any) -> None:
        """What was read there is accepted, or a dead letter."""
        self.windows[TopicPartition(record.topic, record.partition)].done(record.offset)

    def check(self) -> None:
        """Raise the fault that ended the delivering, if one did."""
        if self._task.done():
            self._task.result()
        pending = sum(window.pending for window in self.windows.values())
        self._telemetry.pending.labels(self._receiver.name).set(pending)

    def halt(self) -> None:
        """Begin no further delivery."""
        self._deliverer.halt()

    async def end(self) -> None:
        """Deliver nothing more; what was under way has come to its end, or is repeated later."""
        await self._deliverer.stop()
        await asyncio.wait([self._task])

    def _counted(self, outcome: str) -> None:
        self._telemetry.alerts.labels(self._receiver.name, outcome).inc()
