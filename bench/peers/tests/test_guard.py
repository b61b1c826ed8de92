"""The guard notices growth, and nothing else."""

import pytest
from guard import compare


def test_what_has_grown_by_more_than_five_percent_is_named() -> None:
    assert compare({"size": 1_000, "events": 1_000}, {"size": 1_060, "events": 1_040}) == ["size"]


def test_a_baseline_that_is_too_high_is_named_since_it_would_let_things_grow() -> None:
    assert compare({"size": 1_000}, {"size": 940}) == ["size"]


def test_a_baseline_of_other_figures_is_an_error() -> None:
    with pytest.raises(SystemExit, match="other figures"):
        compare({"size": 1_000}, {"size": 1_000, "events": 1})
