"""Many files: a few at a time, drawn as they are needed, and a report that tells what became of each.

The files come from any iterable and are drawn one by one, so that a million names cost what their results cost. How one
file is uploaded, and by what (a thread, a task, another process, a cluster), the caller of this module tells.
"""

from __future__ import annotations

import inspect
import os
import threading
from collections import deque
from collections.abc import (
    AsyncIterable,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
)
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import lru_cache, partial
from queue import Empty, SimpleQueue
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, TypedDict
from uuid import UUID

import anyio
from attrs import frozen

from anchor_uploads._aside import Aside, Stopped, stopped_by, wait_in_turns
from anchor_uploads._call.callbacks import ProgressCallback, UploadProgress, called, check_callback, tell
from anchor_uploads._call.reply import UploadedFile
from anchor_uploads._call.secrets import hide
from anchor_uploads._call.settings import Settings
from anchor_uploads._call.upload import check_checksum
from anchor_uploads._sources.names import alike, without_urls_secrets
from anchor_uploads._sources.part import Part, one_name, refuse_one_name
from anchor_uploads._sources.source import closing_async
from anchor_uploads.errors import (
    AnchorUploadsError,
    InvalidArgument,
    OutcomeUnknown,
    SourceError,
    UploadsFailed,
    UploadsInterrupted,
)

if TYPE_CHECKING:
    from anchor_uploads.client import UploadClient

_MOST = 10_000
"""Files at a time; more than a machine has ports for."""
_END = object()


class BatchOptions(TypedDict, total=False):
    """The options of a batch; see `UploadClient.upload_files`."""

    concurrency: int
    on_progress: ProgressCallback | None
    on_result: ResultCallback | None
    checksum: bool
    executor: Executor | None


@frozen
class FailedUpload:
    """A file of a batch whose upload failed. Its error tells whether it may have been saved nevertheless.

    Attributes:
        index: Its place among the files, from 0 on.
        name: Its name; None if it has none.
        error: Why: one of the errors that `UploadClient.upload_file` raises.
    """

    index: int
    name: str | None
    error: AnchorUploadsError


ResultCallback = Callable[[UploadedFile | FailedUpload], object]


@frozen
class UploadReport:
    """What became of a batch, each part in the order of the files.

    Attributes:
        uploaded: The files that were uploaded.
        failed: Those whose upload failed, and why.
        warnings: Names that differ in case or normal form only, and may be one to the other end's file system.
    """

    uploaded: tuple[UploadedFile, ...]
    failed: tuple[FailedUpload, ...]
    warnings: tuple[str, ...] = ()

    def raise_for_failures(self) -> None:
        """Raise an error if an upload failed.

        Raises:
            UploadsFailed: With this report.
        """
        if self.failed:
            total = len(self.uploaded) + len(self.failed)
            first = self.failed[0]
            # Not that they were not uploaded: of some that may be unknown.
            raise UploadsFailed(
                f"{len(self.failed)} of {total} files failed; the first is number {first.index + 1}: "
                f"{first.error}. The others are in report.failed",
                report=self,
            )


@frozen
class Task:
    """One file of a batch: as it was handed in, and taken apart."""

    index: int
    file: Any
    part: Part


class Batch:
    """The bookkeeping: which file is next, which names were taken, and what became of the files so far."""

    def __init__(
        self,
        files: object,
        settings: Settings,
        session_id: UUID,
        *,
        concurrency: int = 4,
        on_progress: ProgressCallback | None = None,
        on_result: ResultCallback | None = None,
        checksum: bool = False,
        executor: Executor | None = None,
    ) -> None:
        if isinstance(concurrency, bool) or not isinstance(concurrency, int) or not 1 <= concurrency <= _MOST:
            raise InvalidArgument(f"concurrency must be a whole number from 1 to {_MOST}, not {concurrency!r}")
        one = isinstance(files, (str, bytes, bytearray, memoryview, os.PathLike)) or hasattr(files, "read")
        if one or not isinstance(files, (Iterable, AsyncIterable)):
            shown = without_urls_secrets(repr(files))
            raise InvalidArgument(f"files must be an iterable of files, not {shown:.100}; one goes to upload_file")
        if executor is not None and not callable(getattr(executor, "submit", None)):
            raise InvalidArgument(f"executor must have submit(), as those of concurrent.futures, not {executor!r}")
        check_callback(on_progress, "on_progress", "UploadProgress")
        check_callback(on_result, "on_result", "UploadedFile or FailedUpload")
        check_checksum(checksum)
        self.concurrency = concurrency
        self.executor = executor
        self.watch = Watch(on_progress)
        self._on_result = on_result
        self.checksum = checksum
        self._settings = settings
        self._session_id = session_id
        self.files: Any = list(files.items()) if isinstance(files, Mapping) else files
        self._drawn = 0
        self._names: dict[str, int] = {}
        self._alike: dict[str, str] = {}
        self._warnings: list[str] = []
        self._results: dict[int, UploadedFile | FailedUpload] = {}
        self._untold: deque[UploadedFile | FailedUpload] = deque()
        if isinstance(self.files, Collection):
            refuse_one_name(map(Part.of, self.files))

    @property
    def elsewhere(self) -> bool:
        """Whether other processes upload the files, with clients of their own."""
        return self.executor is not None and not isinstance(self.executor, ThreadPoolExecutor)

    def submit(
        self, executor: Executor, task: Task, upload: Callable[[Task, ProgressCallback], UploadedFile]
    ) -> Future[UploadedFile]:
        """Have a file uploaded by an executor, if that has threads by `upload`."""
        if self.elsewhere:
            return self.submit_elsewhere(executor, task)
        return executor.submit(self.watch.over, partial(upload, task))

    def submit_elsewhere(self, executor: Executor, task: Task) -> Future[UploadedFile]:
        return executor.submit(upload_in_worker, self._settings, self._session_id, task.file, self.checksum)

    @contextmanager
    def submitting(self, executor: Executor) -> Iterator[Callable[[Task], Future[UploadedFile]]]:
        """Give what the async client has a file uploaded with by an executor: in threads, by a client for them."""
        if self.elsewhere:
            yield lambda task: self.submit_elsewhere(executor, task)
            return
        from anchor_uploads import UploadClient

        stop = Watch(None)
        with UploadClient.from_settings(self._settings) as client:
            try:
                yield lambda task: executor.submit(
                    stop.over,
                    lambda told: client.upload_file(
                        self._session_id, task.file, on_progress=told, checksum=self.checksum
                    ),
                )
            finally:
                stop.stop()

    def next_task(self, files: Iterator[object]) -> Task | None:
        """Return the next file that can be uploaded, None at the end. What was refused, the report tells."""
        # enumerate() would hold what it gave last while the next is made.
        while (file := next(files, _END)) is not _END:
            if task := self._accept(file):
                return task
            del file
        return None

    async def next_task_async(self, files: Any) -> Task | None:
        """`next_task` for files that may have to be awaited."""
        if not hasattr(files, "__anext__"):
            return self.next_task(files)
        while (file := await anext(files, _END)) is not _END:
            if task := self._accept(file):
                return task
            del file
        return None

    def _accept(self, item: object) -> Task | None:
        index, part = self._drawn, None
        self._drawn += 1
        try:
            task = Task(index, item, part := Part.of(item))
            name, _content_type = part.checked(remedy="pass it as (filename, file)")
            if self._names.setdefault(name, index) != index:
                raise one_name(name, self._names[name], index)
            if self.elsewhere and not isinstance(part.content, (str, os.PathLike, bytes, bytearray)):
                raise SourceError(
                    f"{name!r} cannot go to another process: with executor= pass paths, URLs or bytes, or use a "
                    "ThreadPoolExecutor"
                )
        except Exception as error:
            # What an object of the caller's raises while it is asked for its name is its own matter, too.
            self._note_failure(index, part.name if part else None, error)
            return None
        if (other := self._alike.setdefault(alike(name), name)) != name:
            self._warnings.append(
                f"{other!r} and {name!r} differ only in how they are written, and may be one file to the service; "
                "give one another name"
            )
        return task

    def outcome(self, future: Future[UploadedFile]) -> UploadedFile:
        """Return what an upload that was submitted has come to. Raises what it raised."""
        try:
            return future.result()
        except BaseException as error:
            if isinstance(error, Exception) or not self.elsewhere or error is not future.exception():
                raise
            # Ctrl-C reaches all processes of a terminal. What it ends in another ends nothing here but that upload.
            raise RuntimeError(f"{type(error).__name__} ended it in another process") from error
        finally:
            # See `_call.table.repeated`.
            del future

    def uploaded(self, task: Task, uploaded: UploadedFile) -> None:
        """Note that a file was uploaded."""
        self._note(task.index, uploaded)

    def failed(self, task: Task, error: Exception, *, begun: bool = True) -> None:
        """Note that an upload failed. Raises what is no failed upload, such as what `on_progress` raised.

        begun: whether its upload may have begun.
        """
        # What an executor cancels of its own accord ends no more than that upload.
        stopped = isinstance(error, Stopped) or (isinstance(error, CancelledError) and self.watch.stopped)
        if stopped or error is self.watch.raised:
            try:
                raise error
            finally:
                # See `_call.table.repeated`.
                del error
        # How far another process came nobody knows; and a warning that is an error comes after the answer.
        unknown = begun and (self.elsewhere or isinstance(error, Warning))
        self._note_failure(task.index, task.part.name, error, unknown=unknown)

    def _note_failure(self, index: int, name: str | None, error: Exception, *, unknown: bool = False) -> None:
        if not isinstance(error, AnchorUploadsError):
            # From the file itself, such as an iterable of the caller's, or from what was to upload it.
            kind, outcome = (OutcomeUnknown, "may have been") if unknown else (AnchorUploadsError, "was not")
            what = f"file {index + 1}" if name is None else repr(name)
            place = "" if unknown or self.elsewhere else _place_of(error)
            failure = kind(f"{what} {outcome} uploaded: {type(error).__name__}: {error}{place}")
            failure.__cause__ = error
            error = failure
        # It is told, and not raised through the call's own frame.
        hide(error, self._settings._api_key)
        _let_go_of_frames(error)
        self._note(index, FailedUpload(index, name, error))

    def _note(self, index: int, result: UploadedFile | FailedUpload) -> None:
        self._results[index] = result
        if self._on_result is not None:
            self._untold.append(result)

    def tell_results(self) -> None:
        """Tell `on_result` what has become of files since it was told last."""
        while self._untold:
            self.watch.pass_on(self._on_result, self._untold.popleft())

    async def tell_results_async(self) -> None:
        """`tell_results` for an `on_result` that may have to be awaited."""
        while self._untold:
            await self.watch.pass_on_async(self._on_result, self._untold.popleft())

    def report(self) -> UploadReport:
        results = [self._results[index] for index in sorted(self._results)]
        return UploadReport(
            tuple(result for result in results if isinstance(result, UploadedFile)),
            tuple(result for result in results if isinstance(result, FailedUpload)),
            tuple(self._warnings),
        )


class Watch:
    """What all uploads of a batch call as their bytes leave: it passes the progress on, or ends them."""

    def __init__(self, on_progress: ProgressCallback | None) -> None:
        self.raised: BaseException | None = None
        self._on_progress = on_progress
        self._stop = threading.Event()
        self._one_at_a_time = threading.Lock()
        self._one_task_at_a_time = anyio.Lock()

    @property
    def wanted(self) -> bool:
        """Whether anybody wants to hear of the progress."""
        return self._on_progress is not None

    @property
    def stopped(self) -> bool:
        """Whether the batch is to end."""
        return self._stop.is_set()

    def stop(self) -> None:
        self._stop.set()

    @contextmanager
    def letting_go(self) -> Iterator[None]:
        """Forget in the end what was raised: it leads to frames that lead here, and to the files."""
        try:
            yield
        finally:
            self.raised = None

    def __call__(self, progress: UploadProgress) -> None:
        """Pass on what a thread tells."""
        # What has left whole may have been saved, so its answer is waited for.
        if self._stop.is_set() and progress.sent < progress.total:
            raise Stopped
        self.pass_on(self._on_progress, progress)

    def over(self, upload: Callable[[ProgressCallback], UploadedFile]) -> UploadedFile:
        """Have a thread upload a file, and wait for nothing more of it once the batch is stopped but its answer."""
        with stopped_by(self._stop):
            return upload(self)

    async def awaited(self, progress: UploadProgress) -> None:
        """Pass on what a task tells, to what may have to be awaited. Tasks are stopped by cancelling them."""
        await self.pass_on_async(self._on_progress, progress)

    def pass_on(self, callback: Callable[[Any], object] | None, what: object) -> None:
        """Call the caller's function, in one thread at a time, and note what it raises."""
        if callback is not None:
            with self._one_at_a_time, self._noting_what_is_raised():
                tell(callback, what)

    async def pass_on_async(self, callback: Callable[[Any], object] | None, what: object) -> None:
        """`pass_on`, in one task at a time, for a function that may have to be awaited."""
        if callback is not None:
            async with self._one_task_at_a_time:
                with self._noting_what_is_raised():
                    if inspect.isawaitable(awaitable := called(callback, what)):
                        await awaitable

    @contextmanager
    def _noting_what_is_raised(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.raised = error
            raise


def _place_of(error: BaseException) -> str:
    """Return where an error was raised, for a text: its frames are let go of."""
    places = list(walk_tb(error.__traceback__))
    return f" ({os.path.basename(places[-1][0].f_code.co_filename)}, line {places[-1][1]})" if places else ""


def _let_go_of_frames(error: BaseException) -> None:
    """Keep of an error what it says: the frames that it came through lead to the file, and a report may have many."""
    links: list[BaseException | None] = [error]
    # Those of others may go round in a circle.
    seen: set[int] = set()
    while links:
        if (link := links.pop()) is not None and id(link) not in seen:
            seen.add(id(link))
            # What was handled when it was raised may be the caller's own, and keeps its frames.
            link.__traceback__ = link.__context__ = None
            links += link.__cause__, *getattr(link, "exceptions", ())


@contextmanager
def _forgetting_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        _let_go_of_frames(error)


def _done(uploaded: UploadedFile) -> UploadProgress:
    """Return what is told of a file that another process has uploaded; of its parts nobody here has heard."""
    return UploadProgress(uploaded.name, uploaded.size, uploaded.size, uploaded.attempts)


def run(batch: Batch, upload: Callable[[Task, ProgressCallback], UploadedFile]) -> UploadReport:
    """Upload the files by `upload` in threads, or by the batch's executor.

    Raises `UploadsInterrupted` on Ctrl-C, and at once what the caller's functions raise.
    """
    if not isinstance(batch.files, Iterable):
        raise InvalidArgument("files has to be awaited: pass it to AsyncUploadClient")
    try:
        return _in_threads(batch, upload)
    except KeyboardInterrupt as error:
        # Whenever it comes, also while all is done and the threads end.
        raise UploadsInterrupted(batch.report()) from error


def _in_threads(batch: Batch, upload: Callable[[Task, ProgressCallback], UploadedFile]) -> UploadReport:
    with batch.watch.letting_go(), ExitStack() as stack:
        workers = batch.executor or stack.enter_context(
            ThreadPoolExecutor(batch.concurrency, thread_name_prefix="anchor-uploads")
        )

        def begin_next() -> bool:
            if not (task := batch.next_task(files)):
                return False
            try:
                future = batch.submit(workers, task, upload)
            except Exception as error:
                batch.failed(task, error, begun=False)
            else:
                waiting[future] = task
                future.add_done_callback(finished.put)
            return True

        def settle(future: Future[UploadedFile]) -> None:
            task = waiting.pop(future)
            try:
                uploaded = batch.outcome(future)
            except Exception as error:
                batch.failed(task, error)
            else:
                batch.uploaded(task, uploaded)
                if batch.elsewhere:
                    batch.watch(_done(uploaded))
            finally:
                # See `_call.table.repeated`.
                del future

        files = iter(batch.files)
        waiting: dict[Future[UploadedFile], Task] = {}
        finished: SimpleQueue[Future[UploadedFile]] = SimpleQueue()
        drawing = True
        try:
            while drawing or waiting:
                if not drawing or len(waiting) == batch.concurrency:
                    settle(_next(finished))
                else:
                    drawing = begin_next()
                # What is known by now is told before the next file is drawn, which may take long.
                while not finished.empty():
                    settle(finished.get_nowait())
                batch.tell_results()
            return batch.report()
        except BaseException:
            batch.watch.stop()
            for future in waiting:
                future.cancel()
            # What has left whole is waited for, so that the report can tell what became of it.
            for future in list(waiting):
                with _forgetting_errors():
                    wait_in_turns(partial(_has_finished, future))
                    settle(future)
            if batch.watch.raised is None:
                batch.tell_results()
            raise


def _has_finished(future: Future[UploadedFile], within: float) -> bool:
    return bool(wait([future], within).done)


def _next(finished: SimpleQueue[Future[UploadedFile]]) -> Future[UploadedFile]:
    """Return the next that has finished, once one has."""
    found: list[Future[UploadedFile]] = []

    def ready(seconds: float) -> bool:
        with suppress(Empty):
            found.append(finished.get(timeout=seconds))
        return bool(found)

    wait_in_turns(ready)
    return found[0]


async def run_async(
    batch: Batch, upload: Callable[[Task, ProgressCallback | None], Awaitable[UploadedFile]]
) -> UploadReport:
    """Upload the files by `upload` in tasks, or by the batch's executor.

    Cancelling it cancels what runs. Raises at once what the caller's functions raise.
    """
    drawing = anyio.Lock()
    raised: list[BaseException] = []

    async def upload_next() -> bool:
        async with drawing:
            if raised:
                return False
            task = await batch.next_task_async(files)
        await batch.tell_results_async()
        if task is None:
            return False
        begun = submit is None
        try:
            if submit is None:
                uploaded = await upload(task, batch.watch.awaited if batch.watch.wanted else None)
            else:
                future = submit(task)
                begun = True
                try:
                    uploaded = await Aside(partial(batch.outcome, future)).result_async()
                finally:
                    future.cancel()
                await batch.watch.awaited(_done(uploaded))
        except Exception as error:
            batch.failed(task, error, begun=begun)
        else:
            batch.uploaded(task, uploaded)
        return True

    async def work(scope: anyio.CancelScope) -> None:
        try:
            while await upload_next():
                await batch.tell_results_async()
        except (Exception, anyio.get_cancelled_exc_class()) as error:
            # Raised by one worker for all, without the group that a task group would make of it. A cancellation may be
            # the caller's own, such as that of a task awaited by `on_result`: the task group would pass over it. Of one
            # from outside the task group hears itself; and what its tasks raise it keeps until the collector comes.
            raised.append(error)
            scope.cancel()

    try:
        with (
            batch.watch.letting_go(),
            batch.submitting(batch.executor) if batch.executor else nullcontext() as submit,
        ):
            async with closing_async(batch.files):
                files = aiter(batch.files) if isinstance(batch.files, AsyncIterable) else iter(batch.files)
                async with anyio.create_task_group() as group:
                    for _ in range(batch.concurrency):
                        group.start_soon(work, group.cancel_scope)
        if raised:
            raise raised[0]
        return batch.report()
    finally:
        # They lead to this frame, and so to themselves.
        raised.clear()


def upload_in_worker(settings: Settings, session_id: UUID, file: Any, checksum: bool) -> UploadedFile:
    """Upload one file from another process: what an executor runs. The client is kept for the next file."""
    return _worker_client(settings).upload_file(session_id, file, checksum=checksum)


@lru_cache(maxsize=1)
def _worker_client(settings: Settings) -> UploadClient:
    from anchor_uploads import UploadClient

    return UploadClient.from_settings(settings)
