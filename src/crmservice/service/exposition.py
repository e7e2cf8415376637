"""Metrics in Prometheus' form, made from the state of the database at the moment they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from crmservice import __version__
from crmservice.service import durations
from crmservice.service.troubles import Health
from crmservice.store.metrics import Labels

Values = Mapping[tuple[str, Labels], float]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(health: Health, values: Values) -> bytes:
    """The text that Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(health, values))
    return bytes(generate_latest(registry))


class _Once(Collector):
    """One look at everything."""

    def __init__(self, health: Health, values: Values) -> None:
        self._health, self._values = health, values

    def collect(self) -> Iterator[Metric]:
        """Every metric; the names are part of what the service promises (docs/metrics.md)."""
        yield _gauge("crmservice_build_info", "The version that runs.", ("version",), [((__version__,), 1)])
        yield from _boxes(self._health)
        yield from _all(self._health)
        yield _stages(self._values)


def _boxes(health: Health) -> Iterator[Metric]:
    box = ("box",)
    states = [(name, state) for name, state in health.states.items() if name in health.poll]
    counted = health.counts.boxes.items()
    yield _gauge(
        "crmservice_box_last_success_timestamp_seconds",
        "When the box's sources were read last without a fault.",
        box,
        [((name,), state.succeeded.timestamp()) for name, state in states if state.succeeded],
    )
    yield _gauge(
        "crmservice_box_last_try_timestamp_seconds",
        "When the box's sources were read last.",
        box,
        [((name,), state.tried.timestamp()) for name, state in states if state.tried],
    )
    yield _gauge(
        "crmservice_box_failures",
        "Tries in a row that ended with a fault; 0 where all is well.",
        box,
        [((name,), state.failures) for name, state in states],
    )
    yield _gauge(
        "crmservice_box_bad_file",
        "1 while the box's XML can't be used and its last good state holds.",
        box,
        [((name,), int(state.kind == "bad-file")) for name, state in states],
    )
    messages = CounterMetricFamily("crmservice_messages", "Messages by what became of them.", labels=("box", "verdict"))
    for name, one in counted:
        for verdict, count in sorted(one.verdicts.items()):
            messages.add_metric((name, verdict), count)
    yield messages
    yield _gauge(
        "crmservice_waiting_messages",
        "Messages that wait for their verdict.",
        box,
        [((n,), c.waiting) for n, c in counted],
    )
    yield _gauge(
        "crmservice_oldest_waiting_seconds",
        "Age of the oldest message that waits for its verdict; 0 where none does.",
        box,
        [((name,), (health.now - one.oldest).total_seconds() if one.oldest else 0) for name, one in counted],
    )
    yield _gauge(
        "crmservice_set_aside_messages",
        "Messages that wait for a person.",
        box,
        [((name,), one.verdicts.get("set_aside", 0)) for name, one in counted],
    )
    yield _gauge(
        "crmservice_last_message_timestamp_seconds",
        "When the newest message arrived.",
        box,
        [((name,), one.newest.timestamp()) for name, one in counted if one.newest],
    )


def _all(health: Health) -> Iterator[Metric]:
    state = ("state",)
    yield _gauge(
        "crmservice_outgoing_mails",
        "Mails of ours by state.",
        state,
        [((n,), c) for n, c in sorted(health.counts.outgoing.items())],
    )
    yield _gauge(
        "crmservice_notices", "Notices by state.", state, [((n,), c) for n, c in sorted(health.counts.notices.items())]
    )
    yield _gauge(
        "crmservice_job_ok",
        "1 where the job's last run went well.",
        ("job",),
        [((j.name,), int(j.ok)) for j in health.counts.jobs],
    )
    yield _gauge(
        "crmservice_job_last_end_timestamp_seconds",
        "When the job ended last.",
        ("job",),
        [((job.name,), job.ended.timestamp()) for job in health.counts.jobs if job.ended],
    )
    yield _gauge("crmservice_disk_free_bytes", "Room on the disk of the home.", (), [((), health.disk.free)])
    yield _gauge("crmservice_troubles", "What a person must look at.", ("code",), _troubles(health))


def _troubles(health: Health) -> list[tuple[tuple[str, ...], float]]:
    codes = [trouble.code for trouble in health.troubles()]
    return [((code,), codes.count(code)) for code in sorted(set(codes))]


def _stages(values: Values) -> Metric:
    family = HistogramMetricFamily(durations.NAME, "How long the stages of a message take.", labels=("box", "stage"))
    sums = {labels: value for (name, labels), value in values.items() if name == f"{durations.NAME}_sum"}
    for labels, total in sorted(sums.items()):
        which = dict(labels)
        buckets = [(str(bound), _bucket(values, which, bound)) for bound in durations.BUCKETS]
        count = values.get((f"{durations.NAME}_count", labels), 0.0)
        family.add_metric((which["box"], which["stage"]), [*buckets, ("+Inf", count)], total)
    return family


def _bucket(values: Values, which: Mapping[str, str], bound: float) -> float:
    labels = (("box", which["box"]), ("le", str(bound)), ("stage", which["stage"]))
    return values.get((f"{durations.NAME}_bucket", labels), 0.0)


def _gauge(
    name: str, text: str, labels: tuple[str, ...], rows: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family
