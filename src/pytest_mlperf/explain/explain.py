"""Explains an accuracy run that is worse than it should be: writes explanation.json and pictures beside its log."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from pytest_mlperf.errors import RunError
from pytest_mlperf.explain.answered import Correction
from pytest_mlperf.explain.asking import ask_again
from pytest_mlperf.explain.causes.weights import MODEL_SYMPTOMS
from pytest_mlperf.explain.diagnosis import (
    ENOUGH,
    Question,
    Recovery,
    by_name,
    corrections,
    named,
    symptoms,
)
from pytest_mlperf.explain.explanation import (
    DIRECTORY,
    Cause,
    ClassChange,
    Explanation,
    SampleChange,
    write_explanation,
)
from pytest_mlperf.explain.pictures import Gallery
from pytest_mlperf.explain.ranking import Changed, changed_most
from pytest_mlperf.explain.tasks import Task, task_of
from pytest_mlperf.implementations.protocol import RUN_FILE, RunSpec
from pytest_mlperf.metrics.accuracy_log import Record
from pytest_mlperf.metrics.outcomes import GivesOutcomes, paired
from pytest_mlperf.printable import said

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_mlperf.explain.again import Tried
    from pytest_mlperf.explain.answered import Answered
    from pytest_mlperf.explain.failure import Failure
    from pytest_mlperf.metrics.outcomes import Outcomes

T = TypeVar("T")
Rows = NDArray[np.int64]
#: Classes that are listed at most.
_MOST_CLASSES: Final = 20
#: No picture is begun later than so many seconds after the first one.
_PICTURE_SECONDS: Final = 20.0


def explain(failure: Failure, directory: Path) -> Explanation:
    """Explain a failure; whatever cannot be explained is said in the notes, and nothing is raised for it.

    Parameters
    ----------
    failure
        The run, and what it is held against.
    directory
        The directory of the run: `explanation/` is made in it.

    Returns
    -------
    Explanation
        What explanation.json has.
    """
    place = directory / DIRECTORY
    writing = _Explaining(failure, place)
    try:
        place.mkdir(exist_ok=True)
    except OSError as error:
        return Explanation(notes=(f"{place} cannot be made: {error.strerror}",))
    found = writing.explanation()
    try:
        write_explanation(place, found)
    except (OSError, ValueError) as error:  # such as a text that no encoding has
        return _with_note(found, f"{place} cannot be written: {said(error)}")
    return found


def _with_note(found: Explanation, note: str) -> Explanation:
    """Return an explanation with one more note."""
    from msgspec import structs

    return structs.replace(found, notes=(*found.notes, note))


@dataclass
class _Explaining:
    """The parts of an explanation, each of which may fail by itself."""

    failure: Failure
    place: Path
    notes: list[str] = field(default_factory=list)
    read: Answered | None = None

    def explanation(self) -> Explanation:
        metric = self.failure.benchmark.metric
        task = task_of(metric)
        if not isinstance(metric, GivesOutcomes):
            return Explanation(notes=(f"the metric {metric.name} does not say what it is made of",))
        both = self._attempt("the answers", self._outcomes)
        if both is None:
            return Explanation(notes=tuple(self.notes))
        now, before = both
        changed = changed_most(now, before, task.shown if task is not None else 20)
        if task is None:
            self.notes.append(f"the metric {metric.name} is of another package: its samples are only listed")
            return Explanation(samples=tuple(map(_listed, changed)), notes=tuple(self.notes))
        if task.whole:
            self._attempt("the answers", lambda: self._read(task, ()))  # once, before two threads use them
        with ThreadPoolExecutor(1) as beside:  # while the model is asked again, pictures are drawn
            looking = beside.submit(self._attempt, "the cause", lambda: self._causes(task, now, before))
            classes = self._attempt("the classes", lambda: self._classes(task, now, before)) or []
            samples = self._attempt("the samples", lambda: self._samples(task, changed)) or []
        causes = looking.result() or []
        return Explanation(
            causes=tuple(causes), classes=tuple(classes), samples=tuple(samples), notes=tuple(self.notes)
        )

    def _attempt(self, what: str, function: Callable[[], T]) -> T | None:
        """Call a function; if it fails, say so, because an explanation must not hide what it is to explain."""
        try:
            return function()
        except Exception as error:
            self.notes.append(f"{what} could not be explained: {said(error)}")
            return None

    def _outcomes(self) -> tuple[Outcomes, Outcomes | None]:
        """Return the outcomes now, and those of the baseline for the same samples."""
        failure = self.failure
        metric: Any = failure.benchmark.metric
        now: Outcomes = failure.now if failure.now is not None else metric.outcomes(failure.records(), failure.dataset)
        if failure.before is None:
            return now, None
        before, now = paired(failure.before, now)
        return now, before

    def _read(self, task: Task, samples: Sequence[Any]) -> Answered:
        """Return the answers to some samples; the log is read once where all answers fit into memory."""
        failure = self.failure
        if task.whole:
            if self.read is None:
                self.read = task.read(failure.benchmark, failure.dataset, failure.records())
            return self.read.take(samples)
        wanted = set(samples)
        records = (each for each in failure.records() if each.qsl_idx in wanted)
        return task.read(failure.benchmark, failure.dataset, records)

    def _causes(self, task: Task, now: Outcomes, before: Outcomes | None) -> list[Cause]:
        question = self._question(task, now, before)
        found = self._attempt("the model's file", self._of_the_model) or []
        found += symptoms(task.symptoms, question.answers, question.before)
        if question.reference is None:
            self.notes.append("nobody says what the metric should be: no corrections were tried")
            return found
        recovered = list(corrections(task.corrections, question))
        most = max((each.part for each in recovered), default=0.0)
        if question.reference > question.now and most < ENOUGH:
            symptom, again = self._asked_again(task, question)
            found += symptom
            recovered += again
        return [*named(recovered), *found]

    def _of_the_model(self) -> list[Cause]:
        """Return what shows in the model's file."""
        run_json = self.failure.log.parent / RUN_FILE
        if self.failure.same_model or not run_json.exists():
            return []
        spec = msgspec.json.decode(run_json.read_bytes(), type=RunSpec)
        return [cause for look in MODEL_SYMPTOMS if (cause := look(spec)) is not None]

    def _question(self, task: Task, now: Outcomes, before: Outcomes | None) -> Question:
        """Return the answers on which causes are tried: some of them, spread over all."""
        metric = self.failure.benchmark.metric
        few = _spread(len(now.ids), task.few)
        earlier = before.take(few) if before is not None else None
        reference = earlier.value() if earlier is not None else self.failure.reference
        answers = self._read(task, now.ids[few].tolist())
        return Question(answers, reference, metric.name, metric.unit, task.samples, earlier)

    def _asked_again(self, task: Task, question: Question) -> tuple[list[Cause], list[Recovery]]:
        """Return the causes that show when the model is asked again with other inputs and outputs."""
        every = question.answers.outcomes().ids
        ids = every[_spread(len(every), task.again)].tolist()
        few = question.of(ids)
        try:
            reply = ask_again(self.failure.log.parent, few.answers.indices())
        except RunError as error:
            self.notes.append(str(error))
            return [], []
        asked, symptom = {index for index, _ in reply.tried[0].records}, list[Cause]()
        if reply.not_finite:
            evidence = f"for {reply.not_finite} of {len(asked)} samples the model's outputs have NaN or infinity"
            symptom.append(Cause(name="outputs that are not numbers", evidence=evidence))
        # A question may have several samples: all of them were asked, or it is left out.
        whole = [each for each in ids if asked.issuperset(few.answers.take([each]).indices())]
        again = [Correction(each.name, each.done, self._answers_of(task, each).take(whole)) for each in reply.tried]
        return symptom, list(corrections(by_name(again), few.of(whole)))

    def _answers_of(self, task: Task, tried: Tried) -> Answered:
        records = [Record(index, data) for index, data in tried.records]
        return task.read(self.failure.benchmark, self.failure.dataset, records)

    def _classes(self, task: Task, now: Outcomes, before: Outcomes | None) -> list[ClassChange]:
        failure = self.failure
        if task.stated:
            metric = failure.benchmark.metric
            values = failure.values or metric.score(failure.records(), failure.dataset)
            return [
                ClassChange(name=name, before=failure.before_values.get(name), now=values[name]) for name in task.stated
            ]
        found = list(self._read(task, now.ids.tolist()).classes(now, before))
        return sorted((each for each in found if _change(each) < 0), key=_change)[:_MOST_CLASSES]

    def _samples(self, task: Task, changed: list[Changed]) -> list[SampleChange]:
        answers = self._read(task, [each.sample for each in changed])
        gallery, start = Gallery(self.place), time.monotonic()
        found: list[SampleChange] = []
        for each in changed:
            if time.monotonic() - start > _PICTURE_SECONDS:
                self.notes.append(f"{len(changed) - len(found)} samples are not shown: that would take longer")
                break
            shown = answers.show(each.sample, gallery)
            found.append(
                SampleChange(
                    id=str(each.sample),
                    index=shown.index,
                    before=each.before,
                    now=each.now,
                    text=shown.text,
                    images=gallery.taken(),
                )
            )
        return found


def _spread(count: int, few: int | None) -> Rows:
    """Return rows spread over all."""
    return np.unique(np.linspace(0, count - 1, min(count, few or count)).astype(np.int64))


def _change(change: ClassChange) -> float:
    """Return what a class won, below 0 if it lost; without a baseline it lost what is missing to 100 %."""
    return change.now - (change.before if change.before is not None else 100.0)


def _listed(changed: Changed) -> SampleChange:
    index = changed.sample if isinstance(changed.sample, int) else -1
    return SampleChange(id=str(changed.sample), index=index, before=changed.before, now=changed.now)
