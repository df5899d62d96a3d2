"""What ``clusters/`` holds: files that people apply themselves, judged one object at a time.

They are no part of the registry's tree, so nothing in them is looked up there. Objects of other
kinds, such as namespaces, Flux' and Argo CD's, are none of our business.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Final

from mlgitops import api
from mlgitops.api import ModelDeployment, PromotionPolicy
from mlgitops.api.unsupported import unsupported
from mlgitops.errors import InvalidError, Problem
from mlgitops.registry import documents, schema
from mlgitops.registry.documents import Document

_GROUP: Final = api.API_VERSION.partition("/")[0]
_API_VERSION: Final = re.compile(r"""^apiVersion:[ \t]*["']?([^\s"'#]+)""", re.MULTILINE)


def problems(file: str, data: bytes) -> Iterator[Problem]:
    """Yield what the API server would refuse in the objects of ours that a YAML file holds, and what we cannot do."""
    try:
        for text in documents.parts(file, data):
            if not _is_foreign(text):
                yield from _judged(documents.read(file, text))
    except InvalidError as error:
        yield from error.problems


def _is_foreign(text: bytes) -> bool:
    """Say whether a document names another API group, and not one that is ours with a typing mistake."""
    found = _API_VERSION.search(text.decode("utf-8", "replace"))
    group = found[1].partition("/")[0] if found else _GROUP
    return not difflib.get_close_matches(group, [_GROUP], cutoff=0.8)


def _judged(document: Document) -> Iterator[Problem]:
    findings = schema.findings(document.raw)
    yield from (document.problem(path, message) for path, message in findings)
    if not findings and document.raw["kind"] in (ModelDeployment.__name__, PromotionPolicy.__name__):
        resource = api.parse(document.raw)
        assert isinstance(resource, ModelDeployment | PromotionPolicy)
        for refused in unsupported(resource):
            yield document.problem(tuple(refused.field.split(".")), f"is not supported: {refused.sentence}")
