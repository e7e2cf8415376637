"""Group commit: messages that arrive together are made durable together, each sender waits for its own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from crmservice.sources import BATCH
from crmservice.sources.smtp_in.data import Spool

BATCH_BYTES = 8 * 1024 * 1024
"""Messages read into memory for one batch; a larger one is a batch of its own."""


T = TypeVar("T")


class Store(Protocol):
    """Where messages are made durable; all of it is called in one thread of its own."""

    def begin(self) -> None:
        """Get ready, and tidy up what a death left behind. Where that fails, the first message tries again."""
        ...

    def take(self, mails: Sequence[bytes]) -> list[int]:
        """Make messages durable, all or none; a number for each. Raises CrmServiceError."""
        ...

    def end(self) -> None:
        """Nothing more comes. Never raises."""
        ...


class GroupCommit:
    """Takes messages from many senders to one store."""

    def __init__(self, store: Store, tell: Callable[[str], None]) -> None:
        self._store, self._tell = store, tell
        self._waiting: deque[tuple[Spool, asyncio.Future[int]]] = deque()
        self._some = asyncio.Event()

    async def take(self, mail: Spool) -> int:
        """The number of the message, as soon as it is durable. Raises what the store raised, or OSError."""
        number: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((mail, number))
        self._some.set()
        return await number

    async def run(self) -> None:
        """Work until cancelled; a batch at hand is finished first."""
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="smtp-in") as thread:
            try:
                await self._begin(thread)
                while True:
                    await self._some.wait()
                    self._some.clear()
                    while self._waiting:
                        await self._one_batch(thread)
            finally:
                await _finished(thread, self._store.end)

    async def _begin(self, thread: ThreadPoolExecutor) -> None:
        try:
            await _finished(thread, self._store.begin)
        except Exception as fault:  # noqa: BLE001 (whatever it is: senders are told to wait, and so are we)
            self._tell(f"not ready yet: {fault}")

    async def _one_batch(self, thread: ThreadPoolExecutor) -> None:
        mails, numbers = self._next()
        if not mails:
            return
        try:
            rows = await _finished(thread, lambda: self._store.take(mails))
        except Exception as fault:  # noqa: BLE001 (whatever it was, each sender keeps its message)
            for number in numbers:
                if not number.done():
                    number.set_exception(fault)
            return
        for number, row in zip(numbers, rows, strict=True):
            if not number.done():
                number.set_result(row)

    def _next(self) -> tuple[list[bytes], list[asyncio.Future[int]]]:
        """As many of the waiting as fit into a batch; whose sender went away meanwhile is not taken: it will come again."""
        mails: list[bytes] = []
        numbers: list[asyncio.Future[int]] = []
        total = 0
        while self._waiting and len(mails) < BATCH and (not mails or total + self._waiting[0][0].size <= BATCH_BYTES):
            mail, number = self._waiting.popleft()
            if number.done():
                continue
            try:
                mails.append(mail.read())
            except (OSError, ValueError, MemoryError) as fault:
                number.set_exception(fault)
                continue
            numbers.append(number)
            total += mail.size
        return mails, numbers


async def _finished(thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    """What the work gives, done in the thread; being cancelled waits for it, so that nothing is cut in half."""
    done = asyncio.get_running_loop().run_in_executor(thread, work)
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        await asyncio.wait([done])
        raise
