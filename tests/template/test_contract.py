"""Names that leave the code do not change: in the table, messages, log events and metrics, in the template and `events/`.
Applications, alarms and stored items depend on them.

`contract.json` lists them. An intended change includes that list, and an entry in CHANGELOG.md for users.
"""

import json
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = json.loads((Path(__file__).parent / "contract.json").read_text())
# A name or a value of one word: `link_id`, `NOT_FOUND`, `SEEN#`, `BELVO_BASE_URL`. Texts for people have spaces.
WORD = re.compile(r'(?<!\\)"([A-Za-z][A-Za-z0-9_]*#?)"')
COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)
TESTS = re.compile(r"(^|/)(tests?|testing)(/|\.rs$)|_tests\.rs$")


def test_the_template_keeps_its_parameters_outputs_and_resources() -> None:
    template = yaml.load((ROOT / "template.yaml").read_text(), Loader=_Loader)
    for section in ("Parameters", "Outputs", "Resources"):
        assert sorted(template[section]) == CONTRACT[section], section


def test_the_examples_of_events_keep_their_names() -> None:
    assert sorted(str(path.relative_to(ROOT)) for path in (ROOT / "events").rglob("*.json")) == CONTRACT["events"]


def test_the_deployed_code_stores_and_sends_the_same_words() -> None:
    assert words_of_the_code() == CONTRACT["words"]


def words_of_the_code() -> list[str]:
    words = set()
    for source in [*ROOT.glob("functions/*/src/**/*.rs"), *ROOT.glob("crates/*/src/**/*.rs")]:
        if not TESTS.search(str(source.relative_to(ROOT))):
            words |= set(WORD.findall(COMMENT.sub("", source.read_text().partition("#[cfg(test)]\nmod tests")[0])))
    return sorted(words)


class _Loader(yaml.SafeLoader):
    pass


_Loader.add_multi_constructor("!", lambda loader, suffix, node: None)
