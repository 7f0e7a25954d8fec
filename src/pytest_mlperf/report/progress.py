"""Progress of a run or a download: one line that is updated on a terminal, else one line a minute."""

from __future__ import annotations

import shutil
import time
from contextlib import contextmanager, nullcontext
from io import StringIO
from typing import TYPE_CHECKING, Any, TextIO

from pytest_mlperf.printable import one_line
from pytest_mlperf.secrecy import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pytest
    from rich.console import RenderableType

    from pytest_mlperf.artifacts.sources import Progress as FetchProgress
    from pytest_mlperf.implementations.protocol import Progress
    from pytest_mlperf.run.child import OnProgress

FILE_SECONDS = 60.0
#: The rate is averaged over this many seconds; a run is slower at its start.
WINDOW_SECONDS = 10.0
BAR_WIDTH = 30


class Rate:
    """Samples or bytes per second over the last `WINDOW_SECONDS`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: list[tuple[float, int]] = []
        self._phase = ""

    def update(self, phase: str, done: int) -> float:
        """Record how much is done and return the rate; a new phase starts the measurement again."""
        now = self._clock()
        if phase != self._phase:
            self._phase = phase
            self._seen.clear()
        self._seen.append((now, done))
        while now - self._seen[0][0] > WINDOW_SECONDS and len(self._seen) > 2:
            self._seen.pop(0)
        (first, before), (last, after) = self._seen[0], self._seen[-1]
        return (after - before) / (last - first) if last > first else 0.0


def describe(progress: Progress, rate: float) -> str:
    """Return the progress as text: phase, samples done, rate, time left."""
    words = [f"{progress.phase} ({progress.length})" if progress.length else progress.phase]
    if progress.done or progress.total:
        of = f"/{progress.total:,}" if progress.total else ""
        words.append(f"{progress.done:,}{of} samples")
    if rate:
        words.append(f"{rate:,.4g}/s")
    if left := progress.seconds_left(rate):
        words.append(f"{_duration(left)} left")
    return ", ".join(words)


def describe_fetch(progress: FetchProgress, rate: float) -> str:
    """Return the progress of a download as text: name, bytes or files, rate, time left.

    The time left is computed from bytes where all sizes are known, else from files; `rate` is in bytes per second.
    """
    total = progress.bytes_total
    words = [f"fetching {progress.name}"]
    if progress.files_total > 1:
        words.append(f"{progress.files_done:,}/{progress.files_total:,} files")
    of = f"/{total / 1e6:,.1f}" if total is not None else ""
    words.append(f"{progress.bytes_done / 1e6:,.1f}{of} MB")
    if rate:
        words.append(f"{rate / 1e6:,.3g} MB/s")
        expected = total
        if total is None and progress.files_done:
            expected = progress.bytes_done * progress.files_total // progress.files_done
        if expected is not None and expected > progress.bytes_done:
            words.append(f"{_duration((expected - progress.bytes_done) / rate)} left")
    return ", ".join(words)


class Bar:
    """Progress of a command, in samples: a bar on a terminal, else one line a minute.

    Parameters
    ----------
    stream
        Where the bar is written.
    phase
        The name of the work.
    """

    def __init__(self, stream: TextIO, phase: str) -> None:
        self._stream, self._phase = stream, phase
        self._rate, self._shown = Rate(), time.monotonic()

    def update(self, done: int, total: int) -> None:
        """Show that `done` of `total` samples are ready."""
        from pytest_mlperf.implementations.protocol import Progress

        rate = self._rate.update(self._phase, done)
        text = f"{_bar(done, total)} {describe(Progress(phase=self._phase, done=done, total=total), rate)}"
        if self._stream.isatty():
            text = text[: shutil.get_terminal_size().columns - 1]
            self._stream.write(f"\r\x1b[K{text}" + ("\n" if done == total else ""))
        elif time.monotonic() - self._shown >= FILE_SECONDS:
            self._shown = time.monotonic()
            self._stream.write(f"{text}\n")
        self._stream.flush()


def _bar(done: int, total: int) -> str:
    filled = BAR_WIDTH * done // total
    return f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}]"


def shown_line(text: str) -> str:
    """Return text as one line for a terminal, without control characters and secrets."""
    return one_line(without_secrets(text))


def below(text: str, column: int, width: int) -> str:
    """Return what shows `text` below a line of which `column` characters are written, and leads back to their end.

    A line that is longer than the terminal is wide is on several rows. If it fills the last of them, the terminal moves
    to the next row at the next character, and not before.
    """
    shown = f"\r\x1b[K{text[: width - 1]}"
    if not column:
        return f"{shown}\r"
    if column % width == 0:
        return f" {shown}\r"
    return f"\n{shown}\x1b[A\r\x1b[{column % width}C"


class Terminal:
    """Writes to pytest's terminal, also from inside a test, past its output capture.

    It is the only one that does: text from elsewhere has no control characters and no secrets then.

    pytest goes on where it was: it does not notice, and so does not write the line that it was in once more.

    Parameters
    ----------
    config
        pytest's. An xdist worker has no terminal; there nothing is written.
    said
        Returns a text as it is said in this session.
    """

    def __init__(self, config: pytest.Config, said: Callable[[str], str] = str) -> None:
        self._said = said
        self._reporter: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
        self._capture: Any = config.pluginmanager.get_plugin("capturemanager")

    @property
    def is_terminal(self) -> bool:
        """Whether a line can be overwritten."""
        return self._reporter is not None and bool(self._reporter.isatty)

    @property
    def width(self) -> int:
        """The number of columns."""
        return self._reporter._tw.fullwidth if self._reporter is not None else 80

    def write_line(self, text: str, **markup: bool) -> None:
        """Write a line of its own; pytest continues in the next one. `markup` is the colour, as pytest names it."""
        with self._opened() as reporter:
            if reporter is not None:
                writer = reporter._tw
                if writer.width_of_current_line:
                    writer.line()
                writer.line(shown_line(self._said(text)), **markup)

    def write_styled(self, parts: Iterable[RenderableType]) -> None:
        """Write what rich renders, with its colours where pytest has some."""
        from rich.console import Console

        with self._opened() as reporter:
            if reporter is not None:
                writer = reporter._tw
                console = Console(
                    file=(written := StringIO()),
                    width=writer.fullwidth,
                    color_system="standard" if writer.hasmarkup else None,
                    force_terminal=True,
                )
                console.print(*parts, sep="\n", highlight=False, markup=False, emoji=False, soft_wrap=False)
                for line in written.getvalue().splitlines():
                    writer.line(line.rstrip())

    def write_title(self, text: str) -> None:
        """Write the title of a section."""
        with self._opened() as reporter:
            if reporter is not None:
                reporter.write_sep("=", shown_line(text))

    def renew_line(self, text: str) -> None:
        """Show a text below the line that pytest is in, in place of the last one; an empty text clears it."""
        with self._opened() as reporter:
            if reporter is not None:
                writer = reporter._tw
                # Not with the writer's write(), which would count this as part of pytest's line.
                writer._file.write(below(shown_line(text), writer.width_of_current_line, writer.fullwidth))
                writer.flush()

    @contextmanager
    def _opened(self) -> Iterator[pytest.TerminalReporter | None]:
        with self._capture.global_and_fixture_disabled() if self._capture else nullcontext():
            yield self._reporter


@contextmanager
def show_progress(config: pytest.Config, title: str) -> Iterator[OnProgress]:
    """Show a run's progress inside the ``with`` block."""
    rate = Rate()
    with _shown(config) as show:
        # The child reports twice a second, and each new phase at once.
        yield lambda now: show(f"  {title}: {describe(now, rate.update(now.phase, now.done))}")


@contextmanager
def show_fetch(config: pytest.Config) -> Iterator[Callable[[FetchProgress], None]]:
    """Show a download's progress, from any thread, inside the ``with`` block."""
    rate = Rate()
    with _shown(config) as show:
        yield lambda now: show(f"  {describe_fetch(now, rate.update(now.name, now.bytes_done))}")


@contextmanager
def _shown(config: pytest.Config) -> Iterator[Callable[[str], None]]:
    terminal = Terminal(config)
    yield from (_renewing if terminal.is_terminal else _by_the_minute)(terminal)


def _renewing(terminal: Terminal) -> Iterator[Callable[[str], None]]:
    ended = shown = False

    def show(text: str) -> None:
        nonlocal shown
        if not ended:  # a thread may still report after it was told to stop
            shown = True
            terminal.renew_line(text)

    try:
        yield show
    finally:
        ended = True
        if shown:
            terminal.renew_line("")


def _by_the_minute(terminal: Terminal) -> Iterator[Callable[[str], None]]:
    shown = time.monotonic()

    def show(text: str) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown >= FILE_SECONDS:
            shown = now
            terminal.write_line(text)

    yield show


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"
