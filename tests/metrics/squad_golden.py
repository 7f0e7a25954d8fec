"""The golden data of BERT as a data set's directory, and SQuAD files made on the spot."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

GOLDEN = Path(__file__).parent / "golden" / "bert"
PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def golden(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text(encoding="utf-8"))


def official_numbers() -> dict[str, int]:
    """Return the golden pieces with their lines in the official vocabulary, in the order of the file."""
    lines = (GOLDEN / "vocab_small.tsv").read_text(encoding="utf-8").split("\n")
    return {piece: int(number) for piece, number in (line.rsplit("\t", 1) for line in lines if line)}


def golden_directory(directory: Path) -> Path:
    """Write the golden questions and pieces as a data set."""
    shutil.copy(GOLDEN / "squad.json", directory / "dev-v1.1.json")
    (directory / "vocab.txt").write_text("".join(f"{piece}\n" for piece in official_numbers()), encoding="utf-8")
    return directory


def write_log(path: Path) -> Path:
    """Write the golden log as LoadGen does; its file has the same entries over several lines each."""
    entries = ",\n".join(
        f'{{ "seq_id" : {each["seq_id"]}, "qsl_idx" : {each["qsl_idx"]}, "data" : "{each["data"]}" }}'
        for each in golden("mlperf_log_accuracy.json")
    )
    path.write_text(f"[\n{entries}\n]\n", encoding="utf-8")
    return path


def squad(*paragraphs: tuple[str, Sequence[dict[str, Any]]]) -> dict[str, Any]:
    """Return the content of a SQuAD file."""
    content = [{"context": context, "qas": list(qas)} for context, qas in paragraphs]
    return {"version": "1.1", "data": [{"title": "t", "paragraphs": content}]}


def question(name: str, text: str, *answers: str) -> dict[str, Any]:
    return {"id": name, "question": text, "answers": [{"text": each, "answer_start": 0} for each in answers]}


def write(directory: Path, content: dict[str, Any], pieces: Sequence[str]) -> Path:
    """Write a data set with a vocabulary of the special tokens and some pieces."""
    (directory / "dev-v1.1.json").write_text(json.dumps(content), encoding="utf-8")
    (directory / "vocab.txt").write_text("".join(f"{piece}\n" for piece in (*PIECES, *pieces)), encoding="utf-8")
    return directory
