"""What a worker has seen of its routes lately, in bounded memory: for metrics and the page.

``Monitor`` (``streams.monitor.monitor``) looks on while routers decide and learn:
``Monitor.of(partition)`` is a ``core.routing.observer.Observer``. It answers with the records of
``streams.monitor.view``:

- ``Monitor.routes(search="", sort="traffic", offset=0, limit=50) -> RouteList``
- ``Monitor.history(route, now_ms, span_ms=900_000) -> RouteHistory | None``; None for an unknown
  route. Asking keeps the route's history in memory, and begins it where there is none.
- ``Monitor.alerts(limit=100, route=None) -> AlertList``

The worker itself: ``WorkerApp.status() -> WorkerView``. A route as its policy and beliefs are now:
``Engine.summary(route) -> core.routing.summarised.RouteSummary | None``.
"""
