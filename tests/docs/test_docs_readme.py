"""What the pages say exists, links resolve, examples validate, nothing names a machine."""

import re
import subprocess
from pathlib import Path

import pytest

from ablate.cli import group
from ablate.study import check

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")


def blocks(page, language):
    return [body for name, body in FENCE.findall(page.read_text(encoding="utf-8")) if name == language]


def test_every_verb_is_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    verbs = group.list_commands(None)
    assert len(verbs) >= 15
    assert [verb for verb in verbs if f"`ablate {verb}" not in text] == []


def test_the_readme_names_no_verb_that_does_not_exist():
    for page in PAGES:
        found = re.findall(r"`ablate ([a-z]+)", page.read_text(encoding="utf-8"))
        assert set(found) <= set(group.list_commands(None)), page.name


def test_every_shipped_study_is_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    studies = [path.stem for path in (ROOT / "studies").glob("*.yaml")]
    assert len(studies) >= 8
    assert [study for study in studies if f"`{study}`" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    targets = [one.split("#")[0] for one in LINK.findall(text) if "://" not in one and not one.startswith("#")]
    assert [one for one in targets if not (page.parent / one).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_study_files_on_the_page_are_valid(page, lab, tmp_path):
    studies = [body for body in blocks(page, "yaml") if re.search(r"^schema:", body, re.MULTILINE)]
    for index, body in enumerate(studies):
        named = re.match(r"# file: (\S+)\n", body)
        (tmp_path / (named[1] if named else f"{index}.yaml")).write_text(body, encoding="utf-8")
    for file in sorted(tmp_path.glob("*.yaml")):
        study, problems = check(file)
        assert problems == [], file.read_text(encoding="utf-8")
        for profile in study.profiles:
            assert check(file, profile)[1] == []
    if page.name in ("README.md", "studies.md", "plugins.md"):
        assert studies


def test_excerpts_are_what_the_example_says():
    example = ROOT / "docs" / "examples" / "my_lab"
    shown = 0
    for body in [*blocks(ROOT / "docs" / "plugins.md", "python"), *blocks(ROOT / "docs" / "plugins.md", "toml")]:
        first, _, rest = body.partition("\n")
        if first.startswith("# ") and (example / first[2:]).is_file():
            assert rest in (example / first[2:]).read_text(encoding="utf-8"), first
            shown += 1
    assert shown >= 7


def test_no_tracked_file_names_a_path_of_a_machine():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    # /home/ablate is the home inside our container image.
    machine = re.compile(r"(?<![\w.<>}$-])/(?:work|Users|home/(?!ablate\b)\w+|root/\w)\b/?(?!\w)")
    found = []
    for name in listed.stdout.splitlines():
        file = ROOT / name
        try:
            text = file.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        found += [f"{name}: {line.strip()}" for line in text.splitlines() if machine.search(line)]
    assert found == []
