"""A user.conf that LoadGen would misread is a usage error before anything is collected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bad_input.conftest import refused_before_all

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bad_input.conftest import Tiny


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "retinanet.Offline.target_pqs = 1",
            ("line 1: LoadGen does not know the setting target_pqs", "did you mean target_qps?"),
        ),
        (
            "retinanet.Offline.target_qps = fast",
            ("line 1: fast is not a valid value for target_qps", "expected: a number"),
        ),
        (None, ("cannot read the user.conf", "No such file", "--user-conf")),
    ],
)
def test_a_user_conf_that_loadgen_would_misread(
    tiny: Tiny, tmp_path: Path, line: str | None, says: tuple[str, ...]
) -> None:
    path = tmp_path / "user.conf"
    if line is not None:
        path.write_text(line)
    refused_before_all(tiny.run("--user-conf", str(path)), str(path), *says)
    assert not tiny.output.exists()
    assert not tiny.report.exists()
