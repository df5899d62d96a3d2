from __future__ import annotations

import pytest

from corpus_cases import Case, cases
from mlgitops import api
from mlgitops.registry import documents, schema


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_the_validator_says_what_the_corpus_says(case: Case) -> None:
    found = schema.findings(case.raw)
    if not found and case.before is not None:
        found = schema.transitions(case.before, case.raw)
    messages = "; ".join(f"{documents.dotted(path)} {message}" for path, message in found)
    if case.refused:
        assert case.refused in messages
    else:
        assert messages == ""


@pytest.mark.parametrize("case", [case for case in cases() if not case.refused], ids=lambda case: case.name)
def test_every_sound_object_is_read_and_written_back(case: Case) -> None:
    resource = api.parse(case.raw)
    assert api.parse(api.dump(resource)) == resource
    assert schema.findings(api.dump(resource)) == []
