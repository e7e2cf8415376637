"""Beside the jobs: metrics and health over HTTP, where ``metrics`` in crmservice.toml asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crmservice.service.scheduled import Context


@contextmanager
def metrics_endpoint(context: Context) -> Iterator[None]:
    """Serve them as long as the block lasts. Raises CrmServiceError where the address is taken."""
    from crmservice.service import observing

    if not context.settings.metrics:
        yield
        return
    endpoint = observing.serve(context.home, context.settings.metrics)
    try:
        yield
    finally:
        endpoint.close()
