"""`CITATION.cff` is what readers of Citation File Format 1.2 expect, and `dnc.cite()` says the same."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

import dnc

ROOT = Path(__file__).parents[1]
# the parts of schema 1.2.0 that are used here: what must be there, and all that may be (additional names are refused)
SOFTWARE_MUST = {"cff-version", "message", "title", "authors"}
SOFTWARE_MAY = SOFTWARE_MUST | {
    "abstract", "commit", "contact", "date-released", "doi", "identifiers", "keywords", "license", "license-url",
    "preferred-citation", "references", "repository", "repository-artifact", "repository-code", "type", "url",
    "version",
}  # fmt: skip
REFERENCE_MUST = {"type", "title", "authors"}
PERSON_MAY = {"family-names", "given-names", "name-particle", "name-suffix", "affiliation", "orcid", "email"}


@pytest.fixture(scope="module")
def cff() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def bibtex() -> dict[str, dict[str, str]]:
    """Fields of each entry, by the entry's key."""
    entries = re.findall(r"^@\w+\{(\w+),\n(.*?)\n\}$", dnc.cite(), re.MULTILINE | re.DOTALL)
    return {key: dict(re.findall(r"^  (\w+) = \{(.*)\},?$", body, re.MULTILINE)) for key, body in entries}


def names(authors: list[dict[str, str]]) -> list[str]:
    return [a["name"] if "name" in a else f"{a['family-names']}, {a['given-names']}" for a in authors]


def test_the_citation_file_has_the_form_that_is_read(cff: dict[str, Any]) -> None:
    assert set(cff) >= SOFTWARE_MUST
    assert set(cff) <= SOFTWARE_MAY
    assert cff["cff-version"] == "1.2.0"
    assert cff["type"] == "software"
    assert date.fromisoformat(cff["date-released"])
    assert all(isinstance(cff[name], str) for name in ("message", "title", "abstract", "version", "license"))
    paper = cff["preferred-citation"]
    assert set(paper) >= REFERENCE_MUST
    assert paper["type"] == "conference-paper"
    assert isinstance(paper["year"], int)
    assert all(set(person) <= PERSON_MAY for person in paper["authors"])
    assert all(set(entity) == {"name"} for entity in cff["authors"])
    assert all(set(i) <= {"type", "value", "description"} for i in paper["identifiers"])
    assert all(i["type"] in {"doi", "url", "swh", "other"} for i in paper["identifiers"])


def test_bibtex_and_the_citation_file_agree(cff: dict[str, Any]) -> None:
    paper, entries = cff["preferred-citation"], bibtex()
    assert list(entries) == ["dey2020deepncheap", "dnc"]
    fields = entries["dey2020deepncheap"]
    assert fields["title"].replace("{", "").replace("}", "") == paper["title"]
    assert fields["author"].split(" and ") == names(paper["authors"])
    assert (fields["booktitle"], fields["volume"]) == (paper["collection-title"], str(paper["volume"]))
    assert fields["year"] == str(paper["year"])
    assert f"arXiv:{fields['eprint']}" == paper["identifiers"][0]["value"]
    assert paper["url"].endswith(fields["eprint"])
    software = entries["dnc"]
    assert (software["title"], software["year"]) == (cff["title"], cff["date-released"][:4])
    assert [software["author"].strip("{}")] == names(cff["authors"])


def test_the_version_is_the_one_that_runs(cff: dict[str, Any]) -> None:
    assert cff["version"] == dnc.__version__
    assert bibtex()["dnc"]["note"] == f"Version {dnc.__version__}"


def test_braces_are_balanced() -> None:
    assert dnc.cite().count("{") == dnc.cite().count("}")
