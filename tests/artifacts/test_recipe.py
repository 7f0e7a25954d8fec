from __future__ import annotations

import json
import math
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.artifacts.entries import Manifest
from pytest_mlperf.artifacts.recipe import KeyValue, canonical_key, entry_name

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
keys = st.dictionaries(st.text(), values, max_size=5)


def typed(value: Any) -> object:
    """Tell apart what Python takes for equal: 1, 1.0 and True."""
    if isinstance(value, dict):
        return {name: typed(item) for name, item in value.items()}
    return [typed(item) for item in value] if isinstance(value, list) else (type(value).__name__, repr(value))


@given(keys, st.randoms())
def test_the_order_of_a_keys_items_does_not_matter(key: dict[str, KeyValue], random: Any) -> None:
    items = list(key.items())
    random.shuffle(items)
    assert canonical_key(dict(items)) == canonical_key(key)


@given(keys, keys)
def test_keys_are_equal_only_if_their_values_are(one: dict[str, KeyValue], other: dict[str, KeyValue]) -> None:
    assert (canonical_key(one) == canonical_key(other)) == (typed(one) == typed(other))


@given(keys, st.data())
def test_another_value_makes_another_entry(key: dict[str, KeyValue], data: st.DataObject) -> None:
    name, value = data.draw(st.tuples(st.text(), values))
    changed = {**key, name: value}
    same = typed(changed) == typed(key)
    assert (entry_name("model", "m", changed) == entry_name("model", "m", key)) == same


@given(keys)
def test_a_key_survives_the_manifest(key: dict[str, KeyValue]) -> None:
    manifest = Manifest(1, "model", "m", json.loads(canonical_key(key)), "", (), (), 0, "", "", 0.0)
    read = msgspec.json.decode(msgspec.json.encode(manifest), type=Manifest)
    assert canonical_key(read.key) == canonical_key(key)


def test_numbers_and_truth_values_of_equal_worth_are_different_keys() -> None:
    assert len({canonical_key({"a": value}) for value in (1, 1.0, True, "1", [1])}) == 5


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 2**63, -(2**63) - 1, "\ud800", [1, [math.nan]]], ids=ascii
)
def test_a_value_that_json_cannot_carry_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        canonical_key({"a": value})


@pytest.mark.parametrize(
    "key", [{"a": {"b": 1}}, {"a": b"x"}, {"a": object()}, {1: "a"}], ids=["object", "bytes", "any", "number"]
)
def test_a_key_of_another_type_is_refused(key: Any) -> None:
    with pytest.raises(TypeError, match="key"):
        canonical_key(key)


@given(st.text(max_size=300))
def test_an_entrys_name_is_a_short_visible_file_name(name: str) -> None:
    assert re.fullmatch(r"([a-z0-9]([a-z0-9.-]{,46}[a-z0-9])?-)?[0-9a-f]{16}", entry_name("model", name, {}))


@pytest.mark.parametrize("kind", ["", "..", "a/b", "Model", ".locks", "a b"])
def test_a_kind_that_is_no_directory_of_the_cache_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="kind"):
        entry_name(kind, "m", {})


def test_an_entrys_name_never_changes() -> None:
    # Another name for the same key would have every cache in the world built anew.
    assert (
        entry_name("dataset", "Tiny: 500 scènes", {"b": 1, "a": [None, "é", 0.5]}) == "tiny-500-sc-nes-e4659c0abdb7c735"
    )
