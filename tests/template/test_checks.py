"""The checks of links, module circles and log fields read what they check correctly."""

from pathlib import Path

import pytest
from check_cycles import circles, expanded, graph
from check_links import as_anchor, links
from observability import diagnostics_of, fields_of
from rust_sources import UnknownForm, parse_sets, without_tests


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("The dead-letter queue is not empty", "the-dead-letter-queue-is-not-empty"),
        ("`make bench`, and what it costs", "make-bench-and-what-it-costs"),
        ("Is all well?", "is-all-well"),
        ("[Try it](README.md)", "try-it"),
        ("A & B", "a--b"),
    ],
)
def test_an_anchor_is_made_as_github_makes_it(heading: str, anchor: str):
    assert as_anchor(heading) == anchor


def test_links_in_code_are_no_links():
    page = "[a](b.md#c) `[d](e.md)`\n\n```\n[f](g.md)\n```\n\n![h](i.svg) <img src=\"j.png\">\n\n[k]: l.md\n"
    assert list(links(page)) == ["b.md#c", "i.svg", "l.md", "j.png"]


def test_a_grouped_import_is_every_path_in_it():
    assert list(expanded("crate::{a::{B,c},d}")) == ["crate::a::B", "crate::a::c", "crate::d"]


@pytest.mark.parametrize(
    ("first", "second", "is_circle"),
    [
        ("use crate::second::Two;", "use super::first::One;", True),
        ("use crate::Two;", "fn f() { crate::first::g(); }", True),
        ("use crate::second::Two;", "pub struct Two;\n\n#[cfg(test)]\nmod tests {\n    use crate::first::One;\n}\n", False),
    ],
)
def test_modules_in_a_circle_are_found(tmp_path: Path, monkeypatch, first: str, second: str, is_circle: bool):
    monkeypatch.setattr("check_cycles.ROOT", tmp_path)
    source = tmp_path / "crate/src"
    source.mkdir(parents=True)
    (source / "lib.rs").write_text("mod first;\nmod second;\n\npub use second::Two;\n")
    (source / "first.rs").write_text(first)
    (source / "second.rs").write_text(second)
    assert bool(list(circles(tmp_path / "crate"))) == is_circle
    assert graph(tmp_path / "crate")["first"] == {"second"}


def test_items_for_tests_are_left_out():
    source = "fn a() {}\n\n#[cfg(test)]\nmod tests;\n\nimpl B {\n    #[cfg(test)]\n    fn c() {\n        d();\n    }\n\n    fn e() {}\n}\n"
    assert without_tests(source) == "fn a() {}\n\n\nimpl B {\n\n    fn e() {}\n}\n"


def test_fields_and_diagnostics_are_read():
    source = """
        event.dimension("outcome", outcome).field("pages", pages);
        f.debug_struct("Event").field("hidden", &1).finish_non_exhaustive();
        warn!(link_id = link.id.as_str(), what, error = %error, "cannot store, for now");
    """
    assert fields_of("sync", source) == {"outcome": True, "pages": False}
    assert list(diagnostics_of(source)) == [("cannot store, for now", "WARN", ("link_id", "what", "error"))]


@pytest.mark.parametrize(
    "read",
    [
        lambda: fields_of("sync", "event.field(name, 1);"),
        lambda: list(diagnostics_of('warn!("it is {}", 1);')),
        lambda: list(diagnostics_of("warn!(TEXT);")),
        lambda: parse_sets('&[&["reason"]]'),
        lambda: without_tests("#[cfg(test)]\nfn f(\n"),
    ],
)
def test_an_unknown_form_is_an_error(read):
    with pytest.raises(UnknownForm):
        read()
