"""The thread in the middle of a collector: it drives the pure session with what was received and what stores did.

It waits for nothing but news. When all stores that work are full it leaves live frames where they are, and with that,
in the end, with the nodes; sync messages, stores' reports and the time go on.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Final, TypeVar

from zlog import limits, report
from zlog.collector.sockets import Receiver
from zlog.collector.stores import Loss
from zlog.collector.view import View
from zlog.collector.writer import Damaged, Roomy, Told, Writer, Written
from zlog.core.intervals import Intervals
from zlog.core.parcels import Key
from zlog.core.session import Session
from zlog.core.session_effects import GAP, Effect, Name, Report, Send, Take

__all__ = ["Core"]

log: Final = logging.getLogger("zlog.collector")

T = TypeVar("T")

#: Live frames between two looks at everything else.
_LIVE_FRAMES: Final = 128
#: What is not the session's business is done so often, in nanoseconds.
_CHORES_NS: Final = 1_000_000_000
_BATCH: Final = b"\xaa\xa2\x03"


class Core:
    """Drives a session.

    Args:
        session: it.
        receiver: where frames come from and sync messages go.
        writers: of the stores, in the order of the session's sinks.
        view: the last sink, if there is one.
        chores: called once a second.
    """

    def __init__(
        self,
        session: Session,
        receiver: Receiver,
        writers: Sequence[Writer],
        view: View | None,
        chores: Callable[[], None],
    ) -> None:
        self.session = session
        self.losses: deque[Loss] = deque(maxlen=limits.COLLECTOR_LOSSES)
        self._receiver = receiver
        self._writers = writers
        self._view = view
        self._chores = chores
        self._chores_at = 0
        self._calls: deque[Callable[[], object]] = deque()
        self._news: deque[Told] = deque()
        self._bell = threading.Event()
        self._held = False
        self._finished = False
        self._stopping = False
        self._version = 0
        self._changed = threading.Condition()
        self._watchers = 0
        self._thread: threading.Thread | None = None
        self._failed: set[str] = set()

    # --- for any thread -----------------------------------------------------------------------------------------------

    def start(self, name: str) -> None:
        self._thread = threading.Thread(target=self._run, name=f"{name}-core", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, after what is there was done."""
        self._stopping = True
        self.wake()
        if self._thread is not None:
            self._thread.join()

    def wake(self) -> None:
        """There is something to do."""
        self._bell.set()

    def tell(self, news: Told) -> None:
        """A store or a view has something to say."""
        self._news.append(news)
        self._bell.set()

    def call(self, action: Callable[[], object]) -> None:
        """Have this called soon, in the core's thread."""
        self._calls.append(action)
        self._bell.set()

    def apply(self, action: Callable[[int], Iterable[Effect]]) -> None:
        """Have this called soon with the time, and its effects carried out."""
        self.call(lambda: self._carry_out(action(time.monotonic_ns())))

    def ask(self, question: Callable[[], T]) -> T:
        """The answer of a question that is put in the core's thread, or here when there is none."""
        thread = self._thread
        if thread is None or not thread.is_alive() or thread is threading.current_thread():
            return question()
        answer: Future[T] = Future()

        def put() -> None:
            try:
                answer.set_result(question())
            except BaseException as error:  # noqa: BLE001 - it belongs to who asks
                answer.set_exception(error)

        self.call(put)
        while True:
            try:
                return answer.result(timeout=0.5)
            except TimeoutError:
                if not thread.is_alive() and not answer.done():
                    return question()

    def wait_until(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until something holds, asked whenever something has changed; whether it does."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._watchers += 1
        try:
            while True:
                version = self.session.version
                if holds():
                    return True
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                with self._changed:
                    if self.session.version == version:
                        self._changed.wait(min(left, 0.5))
        finally:
            with self._changed:
                self._watchers -= 1

    def finish(self) -> None:
        """Take no records any more; what else nodes say is still heard. In the core's thread."""
        self._finished = True

    def standing(self) -> list[Loss]:
        """What was named as gone, the last of it, without gaps that are none any more. In the core's thread.

        Stores may lack different parts of a run, and each is told of its own gaps; here each record is in one at most.
        """
        told: dict[Key, Intervals] = {}
        found: list[Loss] = []
        for loss in self.losses:
            if loss.cause != GAP:
                found.append(loss)
                continue
            known = told.setdefault(loss.key, Intervals())
            for part in self._standing(loss):
                for start, stop in known.missing(*part):
                    last = found[-1] if found else loss
                    if (last.key, last.stop, last.cause) == (loss.key, start, GAP):
                        found[-1] = replace(last, stop=stop)
                    else:
                        found.append(replace(loss, start=start, stop=stop))
                known.add(*part)
        return found

    def _standing(self, loss: Loss) -> Iterable[tuple[int, int]]:
        stream = self.session.book.streams.get(loss.key)
        return [(loss.start, loss.stop)] if stream is None else stream.lacking(loss.start, loss.stop)

    def is_idle(self) -> bool:
        """Whether everything that was received is with the stores. In the core's thread."""
        return not self._receiver.live and not self._receiver.sync and not self._news

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            stopping = self._stopping
            try:
                self._turn()
            except Exception as error:  # noqa: BLE001 - a defect in any one step must not end the collector
                self._complain(error)
            if stopping:
                return
            if not self._can_go_on():
                left = self.session.due - time.monotonic_ns()
                self._bell.wait(max(0.0, min(left, _CHORES_NS) / 1e9))

    def _can_go_on(self) -> bool:
        receiver = self._receiver
        return bool(receiver.sync or self._calls or self._news or (receiver.live and not self._held))

    def _turn(self) -> None:
        self._bell.clear()
        while self._calls:
            self._calls.popleft()()
        self._read_sync()
        self._hear()
        self._read_live()
        now = time.monotonic_ns()
        if now >= self.session.due:
            self._carry_out(self.session.tick(now, behind=bool(self._receiver.live)))
        if now >= self._chores_at:
            self._chores_at = now + _CHORES_NS
            self._carry_out(self.session.ping(now, time.time_ns()))
            self._chores()
        self._receiver.flush()
        if self._watchers and self._version != self.session.version:
            self._version = self.session.version
            with self._changed:
                self._changed.notify_all()

    def _read_sync(self) -> None:
        waiting = self._receiver.sync
        session = self.session
        for _ in range(len(waiting)):
            identity, frame = waiting.popleft()
            self._receiver.sync_taken += len(frame)
            if self._finished and frame[:3] == _BATCH:
                continue
            self._carry_out(session.sync(identity, frame, time.monotonic_ns(), time.time_ns()))

    def _hear(self) -> None:
        while self._news:
            news = self._news.popleft()
            if isinstance(news, Written):
                for key, start, stop in news.old:
                    self.session.too_old(key, start, stop)
                for key, start, stop in news.spans:
                    self.session.written(news.sink, key, start, stop)
                self.session.changed()
                self._tell_failure(self._writers[news.sink])
            elif isinstance(news, Roomy):
                self._held = False
                self._carry_out(self.session.ready(news.sink, time.monotonic_ns()))
            elif isinstance(news, Damaged):
                self._carry_out(self.session.damaged(news.parcel, time.monotonic_ns()))

    def _read_live(self) -> None:
        waiting = self._receiver.live
        session = self.session
        if self._finished:
            waiting.clear()
        for _ in range(min(len(waiting), _LIVE_FRAMES)):
            self._held = self._must_wait()
            if self._held:
                return
            frame = waiting.popleft()
            self._receiver.live_taken += len(frame)
            self._carry_out(session.live(frame, time.monotonic_ns(), time.time_ns()))

    def _must_wait(self) -> bool:
        """Whether all stores that work are full. One that is slower than another is served later instead."""
        working = [writer for writer in self._writers if writer.failing is None]
        if not working or not all(writer.is_full for writer in working):
            return False
        for writer in working:
            writer.want_room()
        return any(writer.is_full for writer in working)  # else one has made room meanwhile, and may say nothing

    def _carry_out(self, effects: Iterable[Effect]) -> None:
        todo = list(effects)
        for effect in todo:  # grows
            if isinstance(effect, Take):
                todo.extend(self._hand_over(effect))
            elif isinstance(effect, Send):
                self._receiver.send(effect.identity, effect.frame)
            elif isinstance(effect, Name):
                self._name(effect)
            elif isinstance(effect, Report):
                report.log(logging.WARNING, "discards %s (told once, then counted)", effect.text, to=log)

    def _hand_over(self, effect: Take) -> list[Effect]:
        more: list[Effect] = []
        for sink in effect.sinks:
            if sink >= len(self._writers):
                assert self._view is not None
                self._view.put(effect.parcel, effect.fresh)
                for start, stop in effect.fresh:
                    self.session.written(sink, effect.parcel.key, start, stop)
            elif not self._writers[sink].offer(effect.parcel):
                more += self.session.refused(sink, effect.parcel, time.monotonic_ns())
        return more

    def _name(self, effect: Name) -> None:
        node, epoch, first = effect.key
        loss = Loss(node.hex(), epoch, first, effect.start, effect.stop, effect.cause, time.time_ns())
        for sink in effect.sinks:
            if sink < len(self._writers):
                self._writers[sink].name(loss)
        if effect.cause:
            self.losses.append(loss)

    def _tell_failure(self, writer: Writer) -> None:
        url = writer.store.url
        if writer.failing is not None and url not in self._failed:
            self._failed.add(url)
            text = "%s: it tries again, other stores go on, nodes keep what it lacks (told once)"
            report.log(logging.ERROR, text, writer.failing, to=log)
        elif writer.failing is None and url in self._failed:
            self._failed.discard(url)
            report.log(logging.WARNING, "%s can be written again", url, to=log)

    def _complain(self, error: Exception) -> None:
        cause = type(error).__name__
        if cause not in self._failed:
            self._failed.add(cause)
            report.log(logging.ERROR, "goes on after a step that failed (told once)", exc_info=error, to=log)
        with contextlib.suppress(Exception):
            self.session.discarded["defect"] = self.session.discarded.get("defect", 0) + 1
