"""What the server counts, in the words of Prometheus; a registry of its own for each server."""

from __future__ import annotations

from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from mlgitops.serving.settings import Settings

CONTENT_TYPE = CONTENT_TYPE_LATEST

# Seconds; from a linear model's millisecond to the longest wait that the timeout allows by default.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counters of one server; every inference is labelled with model, version and status code."""

    def __init__(self, settings: Settings) -> None:
        self._registry = CollectorRegistry()
        self._of = {"model": settings.model, "version": settings.version}
        names = ("model", "version")
        self._requests = Histogram(
            "mlgitops_request_duration_seconds",
            "Time from an inference request's arrival to its answer.",
            (*names, "code"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._restarts = Counter(
            "mlgitops_worker_restarts", "Workers that died or hung.", names, registry=self._registry
        ).labels(**self._of)
        self._in_flight = Gauge(
            "mlgitops_requests_in_flight", "Inference requests being answered.", names, registry=self._registry
        ).labels(**self._of)
        self._loaded = Gauge(
            "mlgitops_model_loaded", "1 while the model can answer.", names, registry=self._registry
        ).labels(**self._of)
        build = Gauge(
            "mlgitops_build_info", "1, labelled with what runs.", ("server", *names, "digest"), registry=self._registry
        )
        build.labels(server=version("mlgitops"), digest=settings.digest, **self._of).set(1)

    def observe(self, code: int, seconds: float) -> None:
        """Count one inference."""
        self._requests.labels(code=str(code), **self._of).observe(seconds)

    def count_restart(self) -> None:
        """Count a worker that died or hung."""
        self._restarts.inc()

    def text(self, *, in_flight: int, loaded: bool) -> bytes:
        """Return everything in Prometheus' text format."""
        self._in_flight.set(in_flight)
        self._loaded.set(loaded)
        return generate_latest(self._registry)
