"""MLflow: one run a case in an experiment, and one for a submission."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_mlperf.errors import PublishError
from pytest_mlperf.printable import said
from pytest_mlperf.report.dashboards.base import require_package
from pytest_mlperf.report.flat import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_mlperf.report.dashboards.base import CaseRuns, Publication

EXPERIMENT = "pytest-mlperf"
#: How long a server may take to answer, and how often it is asked again; else MLflow asks for many minutes.
_LIMITS = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "15", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
#: MLflow takes so many characters of a parameter, and so many parameters and metrics in one request.
_VALUE, _PARAMETERS, _METRICS = 6000, 100, 1000


class MLflow:
    """The dashboard ``mlflow``. Its own variables, such as MLFLOW_TRACKING_URI, say where and as who."""

    def require(self) -> None:
        """Raise OptionError without the package mlflow, or without what it needs for a database."""
        require_package("mlflow", "mlflow")
        if os.environ.get("MLFLOW_TRACKING_URI", "sqlite:").startswith(("sqlite:", "postgresql", "mysql", "mssql")):
            require_package("sqlalchemy", "mlflow")
            require_package("alembic", "mlflow")

    def publish(self, publication: Publication) -> Iterator[str]:
        """Make the runs, and yield the experiment and the id of each."""
        for name, value in _LIMITS.items():
            os.environ.setdefault(name, value)
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        try:
            client = MlflowClient()
            experiment = _experiment(client, os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT)
            for case in publication.cases:
                with _run(client, experiment, case.name, publication) as run:
                    _log(client, run, case, publication)
                    client.log_dict(run, _plain(case), "results.json")
                yield f"run {run} of experiment {experiment}"
            if publication.submission:
                with _run(client, experiment, "submission", publication) as run:
                    client.set_tag(run, "verdict", publication.submission_verdict)
                    for file in publication.submission:
                        client.log_artifact(run, file, "submission")
                yield f"run {run} of experiment {experiment}"
        except MlflowException as error:
            raise PublishError(
                "the results were not published to mlflow, or not all of them",
                expected="a server or a database that takes them, named by MLFLOW_TRACKING_URI",
                found=said(error),
                fix="check MLFLOW_TRACKING_URI, and MLFLOW_TRACKING_TOKEN or the user name and password",
            ) from error


def _experiment(client: Any, name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:  # another session may have made it meanwhile
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


@contextmanager
def _run(client: Any, experiment: str, name: str, publication: Publication) -> Iterator[str]:
    tags = {"mlperf.session": publication.session, "mlflow.source.name": "pytest-mlperf"}
    if publication.commit:
        tags["mlflow.source.git.commit"] = publication.commit
    run: str = client.create_run(experiment, run_name=name, tags=tags).info.run_id
    try:
        yield run
    except BaseException:
        with suppress(Exception):  # else it would seem to be running for ever
            client.set_terminated(run, "FAILED")
        raise
    client.set_terminated(run)


def _log(client: Any, run: str, case: CaseRuns, publication: Publication) -> None:
    """Log what identifies the case as parameters, figures as metrics, and latencies by percentile as a series."""
    from mlflow.entities import Metric, Param, RunTag

    now = int(_milliseconds())
    known = dict(_flat({**publication.surroundings, **case.config}))
    parameters = [Param(name, str(value)[:_VALUE]) for name, value in known.items()]
    metrics = [Metric(name, value, now, 0) for name, value in case.metrics.items()]
    for part, latencies in case.latencies.items():
        metrics += [Metric(f"{part}/latency_ms", value, now, round(step)) for step, value in latencies.items()]
    tags = [RunTag(name, value) for name, value in case.verdicts.items()]
    client.log_batch(run, metrics[:_METRICS], parameters[:_PARAMETERS], tags)
    for start in range(_PARAMETERS, len(parameters), _PARAMETERS):
        client.log_batch(run, (), parameters[start : start + _PARAMETERS], ())


def _milliseconds() -> float:
    import time

    return time.time() * 1000


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield names with points in place of dictionaries in dictionaries, of the characters that MLflow takes."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name_of(name)}.")
        elif value not in ("", None):
            yield f"{prefix}{name_of(name)}", value


def _plain(case: CaseRuns) -> Any:
    return json.loads(msgspec.json.encode(case.runs))


DASHBOARD = MLflow()
