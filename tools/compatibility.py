"""Compares crds/ with those of the last tag: whoever wrote YAML for that release must not have to change it.

Usage: python tools/compatibility.py [TAG]

Exit code 1 with a line for each removal and each tightening, 0 when there is none; without
a tag it says so and there is nothing to compare with.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
Schema = Mapping[str, Any]
# keyword → whether more of it allows less
BOUNDS = {
    "minimum": True,
    "minLength": True,
    "minItems": True,
    "maximum": False,
    "maxLength": False,
    "maxItems": False,
    "maxProperties": False,
}


def breaks(old: Schema, new: Schema, path: str) -> Iterator[str]:
    """Yield what an object that the old schema takes could now be refused or understood differently for."""
    for keyword in ("type", "format", "pattern", "default", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"):
        if old.get(keyword) != new.get(keyword) and (keyword in new or keyword not in ("format", "pattern")):
            yield f"{path}: {keyword} was {old.get(keyword)!r} and is {new.get(keyword)!r}"
    if gone := [choice for choice in old.get("enum", ()) if "enum" in new and choice not in new["enum"]]:
        yield f"{path}: no longer takes {', '.join(map(str, gone))}"
    if "enum" in new and "enum" not in old:
        yield f"{path}: takes only some values now"
    for keyword, grows in BOUNDS.items():
        before, after = old.get(keyword), new.get(keyword)
        if after is not None and (before is None or (after > before if grows else after < before)):
            yield f"{path}: {keyword} was {before} and is {after}"
    if demanded := sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        yield f"{path}: now needs {', '.join(demanded)}"
    known = {rule["rule"] for rule in old.get("x-kubernetes-validations", ())}
    for rule in new.get("x-kubernetes-validations", ()):
        if rule["rule"] not in known:
            yield f"{path}: a new rule: {rule['message']}"
    yield from _below(old, new, path)


def _below(old: Schema, new: Schema, path: str) -> Iterator[str]:
    properties = new.get("properties", {})
    for name, child in old.get("properties", {}).items():
        if name in properties:
            yield from breaks(child, properties[name], f"{path}.{name}")
        else:
            yield f"{path}.{name}: is gone"
    for keyword, mark in (("items", "[]"), ("additionalProperties", "{}")):
        before, after = old.get(keyword), new.get(keyword)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from breaks(before, after, path + mark)
        elif isinstance(before, Mapping):
            yield f"{path}{mark}: is gone"


def between(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Yield what broke between two sets of CRDs by their names: kinds, versions and fields."""
    for name, before in old.items():
        after = new.get(name)
        if after is None:
            yield f"{name}: is gone"
            continue
        versions = {version["name"]: version for version in after["spec"]["versions"] if version["served"]}
        for version in before["spec"]["versions"]:
            place = f"{before['spec']['names']['kind']} {version['name']}"
            if version["name"] not in versions:
                yield f"{place}: is no longer served"
                continue
            now = versions[version["name"]]
            yield from breaks(version["schema"]["openAPIV3Schema"], now["schema"]["openAPIV3Schema"], place)


def _git(*arguments: str) -> str:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], check=True, capture_output=True, text=True).stdout


def _of_tag(tag: str) -> dict[str, Any]:
    paths = _git("ls-tree", "--name-only", tag, "crds/").split()
    return _by_name(_git("show", f"{tag}:{path}") for path in paths)


def _by_name(texts: Iterator[str]) -> dict[str, Any]:
    crds = (yaml.safe_load(text) for text in texts)
    return {crd["metadata"]["name"]: crd for crd in crds}


def main(arguments: list[str]) -> int:
    """Compare with a tag, by default the last one that leads to HEAD; return the exit code."""
    found = arguments or _git("tag", "--list", "v*", "--merged", "HEAD", "--sort=-v:refname").split()
    if not found:
        print("no release to be compatible with: there is no tag v* yet")
        return 0
    now = _by_name(path.read_text("utf-8") for path in sorted((ROOT / "crds").glob("*.yaml")))
    problems = list(between(_of_tag(found[0]), now))
    print("\n".join(problems) or f"crds/ takes all that {found[0]} took")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
