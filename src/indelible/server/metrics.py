"""What Prometheus scrapes. Read from the database, so that every server process gives the same answer."""

from collections.abc import Iterable, Iterator
from typing import Any

from litestar import Request, Response, get
from litestar.datastructures import State
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from indelible.server.gate import OPEN
from indelible.server.health import Health, health

__all__ = ["CONTENT_TYPE", "metrics"]

CONTENT_TYPE = CONTENT_TYPE_LATEST


@get("/metrics", needs=OPEN)
async def metrics(request: Request[Any, Any, State]) -> Response[bytes]:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Gauges(await health(request.app.state)))
    return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE})


class _Gauges(Collector):
    """What was found out once, for one scrape. What is not known has no value: that is not the same as 0."""

    def __init__(self, found: Health) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        return self._gauges()

    def _gauges(self) -> Iterator[Metric]:
        ready, standing = self._found
        yield _gauge("ready", "Whether the service can do its work, as /readyz says.", ready.ready)
        if standing is not None:
            yield _gauge("ledgers", "Ledgers that there are.", standing.ledgers)
            yield _gauge("entries", "Entries in all of them.", standing.entries)
            yield _gauge(
                "ledgers_unsigned",
                "Ledgers whose entries have been waiting for a signature for more than a minute.",
                standing.waiting,
            )
            yield _gauge("ledgers_refused", "Ledgers that the signer refuses to sign; see /readyz.", standing.refused)
            yield _gauge(
                "checkpoint_lag_seconds",
                "How long the oldest unsigned entry has been waiting, of the ledgers that are not refused.",
                standing.lag,
            )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"indelible_{name}", text, value)
