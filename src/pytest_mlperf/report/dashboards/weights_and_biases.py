"""Weights & Biases: one run a case, in a group for the session, and one for a submission."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.errors import PublishError
from pytest_mlperf.printable import said
from pytest_mlperf.report.dashboards.base import require_package

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.report.dashboards.base import CaseRuns, Publication

PROJECT = "pytest-mlperf"
#: How long a server may take to answer to a new run.
_SECONDS = 20
#: W&B takes tags of so many characters.
_TAG = 64


class WeightsAndBiases:
    """The dashboard ``wandb``. Its own variables, such as WANDB_PROJECT and WANDB_MODE, say where and as who."""

    def require(self) -> None:
        """Raise OptionError without the package wandb."""
        require_package("wandb", "wandb")

    def publish(self, publication: Publication) -> Iterator[str]:
        """Make the runs, and yield where each can be seen: its address, or its directory when W&B is offline."""
        # Reports about wandb itself, to its makers.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        try:
            for case in publication.cases:
                run = _begin(wandb, publication, case.name, "benchmark", case.config, case.tags)
                run.log({**case.metrics, **_plots(wandb, case)})
                run.summary.update(case.verdicts)
                yield from _end(run)
            if publication.submission:
                run = _begin(wandb, publication, "submission", "submission", {}, [])
                run.summary["verdict"] = publication.submission_verdict
                run.log_artifact(_artifact(wandb, publication))
                yield from _end(run)
        except wandb.errors.Error as error:
            raise _failed(publication, error) from error


def _begin(wandb: Any, publication: Publication, name: str, kind: str, config: dict[str, Any], tags: list[str]) -> Any:
    return wandb.init(
        project=os.environ.get("WANDB_PROJECT") or PROJECT,
        group=os.environ.get("WANDB_RUN_GROUP") or publication.session,
        job_type=kind,
        name=name[:128],
        config={**publication.surroundings, **config},
        tags=[tag[:_TAG] for tag in dict.fromkeys(tags) if tag],
        dir=os.environ.get("WANDB_DIR") or publication.directory,
        reinit="create_new",
        # What wandb would find out by itself is of this process, and more than anybody has been asked for: its command
        # line and output, the user's name, the repository's address.
        settings=wandb.Settings(
            console="off",
            disable_git=True,
            disable_job_creation=True,
            init_timeout=_SECONDS,
            save_code=False,
            silent=True,
            x_disable_machine_info=True,
            x_disable_meta=True,
            x_disable_stats=True,
        ),
    )


def _end(run: Any) -> Iterator[str]:
    place = run.dir if run.offline else run.url
    run.finish()
    if place:  # there is none with WANDB_MODE=disabled
        yield str(Path(place).parent) if run.offline else str(place)


def _plots(wandb: Any, case: CaseRuns) -> dict[str, Any]:
    """Return a chart of the latencies by percentile for each run that has some."""
    charts = {}
    for part, latencies in case.latencies.items():
        rows = [[f"p{percentile:g}", value] for percentile, value in latencies.items()]
        table = wandb.Table(columns=["percentile", "latency_ms"], data=rows)
        charts[f"{part}/latency"] = wandb.plot.bar(table, "percentile", "latency_ms", title="Latency in ms")
    return charts


def _artifact(wandb: Any, publication: Publication) -> Any:
    artifact = wandb.Artifact("submission", type="submission", metadata={"session": publication.session})
    for file in publication.submission:
        # Uploaded from where it is: a tarball of full logs is large.
        artifact.add_file(file, policy="immutable", skip_cache=True)
    return artifact


def _failed(publication: Publication, error: Exception) -> PublishError:
    silent = "<no message>" in str(error) or not str(error).strip()
    reason = "the server refused the run and does not say why, as with a wrong key" if silent else said(error)
    kept = Path(os.environ.get("WANDB_DIR") or publication.directory, "wandb")
    return PublishError(
        "the results were not published to wandb, or not all of them",
        expected="a server that takes them with the key of WANDB_API_KEY or of wandb login",
        found=reason,
        fix=f"check WANDB_API_KEY and WANDB_BASE_URL; WANDB_MODE=offline keeps runs in {kept} for wandb sync",
    )


DASHBOARD = WeightsAndBiases()
