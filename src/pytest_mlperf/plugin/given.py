"""What a test gives to ``mlperf.run()``, and what it gets to compare with."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.backends.model_file import FUNCTION
from pytest_mlperf.errors import EntryPointError, OptionError
from pytest_mlperf.origin import Url

if TYPE_CHECKING:
    from pytest_mlperf.implementations.protocol import RunOptions
    from pytest_mlperf.plugin.session import MLPerfSession
    from pytest_mlperf.registry import Registry
    from pytest_mlperf.run.case import Case


def given(session: MLPerfSession, case: Case, model: str | Path | None, backend: object) -> Case:
    """Return the case with what the test gives, labelled with it; the same case if it gives nothing.

    Raises
    ------
    OptionError
        The function cannot be imported by another process, the backend has no such case, or takes no model.
    """
    if backend is not None:
        name = _backend_name(session.registry, backend)
        if name != case.backend:
            case = replace(session.matrix.on_backend(case, name), label="given")
            session.named.add(name)
    if model is None:
        return case
    plan = case.plan
    if plan.model.format == FUNCTION:
        raise OptionError(
            f"the function {case.backend} takes no model",
            expected="a backend that loads models",
            found=f"model={str(model)!r}",
            fix="leave model= out, and let the function load it",
        )
    place = str(model)
    file = plan.model.at(Url(place) if "://" in place else Path(place))
    label = re.sub(r"[^A-Za-z0-9_.]+", "-", place.rpartition("/")[2].partition("?")[0]).strip("-.")
    return replace(case, label=Path(label).stem or "given", decided=replace(plan, model=file))


def reference_of(case: Case) -> float:
    """Return the float32 reference's value of the case's metric.

    Raises
    ------
    OptionError
        Nobody states it.
    """
    plan = case.plan
    metric = plan.benchmark.metric.name
    tolerance = plan.rules.tolerance if plan.rules is not None else None
    for limit in plan.limits:
        if limit.value == metric and limit.reference is not None:
            return limit.reference
        if limit.value == metric and limit.minimum is not None and tolerance:
            return limit.minimum / tolerance  # the round states the target, which is this part of the reference
    raise OptionError(
        f"{case.benchmark} has no reference",
        expected=f"a limit of {metric} with the reference that it is a part of",
        found=", ".join(f"{limit.value} {limit}" for limit in plan.limits) or "no limit",
        fix="compare with a number of your own",
    )


def require_options(found: object) -> RunOptions:
    """Return what the hook pytest_mlperf_configure_run gave.

    Raises
    ------
    OptionError
        It is something else than options.
    """
    from pytest_mlperf.implementations.protocol import RunOptions

    if isinstance(found, RunOptions):
        return found
    raise OptionError(
        "pytest_mlperf_configure_run returned no options",
        expected="None, or msgspec.structs.replace(options, ...)",
        found=repr(found)[:100],
        fix="correct the hook in the conftest.py or the plugin that implements it",
    )


def _backend_name(registry: Registry, backend: object) -> str:
    """Return the name of a backend that a test names, or of the function that it gives."""
    if isinstance(backend, str) and ":" not in backend:
        from pytest_mlperf.plugin.selection import check_name

        return check_name("mlperf.run(backend=…)", backend, list(registry.backends))
    try:
        return registry.add_backend(backend if isinstance(backend, str) else _reference(backend))
    except EntryPointError as error:
        raise OptionError(error.what, expected=error.expected, found=error.found, fix=error.fix) from error


def _reference(function: object) -> str:
    """Return how another process imports a function.

    Raises
    ------
    OptionError
        It cannot: it was made in a function, or is no attribute of a module.
    """
    module, name = getattr(function, "__module__", None) or "", getattr(function, "__qualname__", None) or ""
    found: object = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if name and found is function and module != "__main__":
        return f"{module}:{name}"
    raise OptionError(
        f"mlperf.run(backend={name or function!r}): the run is another process, which cannot import it",
        expected="a function at the top of a module, or in a class there",
        found="a lambda"
        if "<lambda>" in name
        else "a function in a function"
        if "<locals>" in name
        else repr(function),
        fix="define it with def at the top of the test's module, or name one as 'module:function'",
    )
