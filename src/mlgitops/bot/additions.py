"""What a pull request adds: versions that must be reserved and true, nothing immutable that was once otherwise.

What a version may be given later is named here too: the clean source that it lacked.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlgitops import artifacts
from mlgitops.api import ModelVersion, ServingRuntime
from mlgitops.bot import sources
from mlgitops.bot.case import Case
from mlgitops.bot.report import Subject
from mlgitops.errors import IntegrityError, MlgitopsError, NotFoundError, OutsideError
from mlgitops.promotion import Outcome, Verdict
from mlgitops.registry import Entry, schema


def additions(case: Case) -> Iterator[Subject]:
    """Judge every version that is new, and every runtime that stands where another one stood before."""
    for entry in case.added:
        match entry.resource:
            case ModelVersion(spec=spec):
                name = f"{spec.model_ref.name}:{spec.version}"
                verdicts = (*_new_version(case, entry.resource), *_unchanged(case, entry))
                yield Subject(name, f"new version {name}", verdicts)
            case ServingRuntime(metadata=metadata):
                unlike = tuple(_unchanged(case, entry))
                if unlike:
                    yield Subject(metadata.name, f"runtime {metadata.name}", unlike)


def clean_sources(case: Case) -> Iterator[Subject]:
    """Name every version that gets the source of a clean run; that nothing else of it changes is the tree's to say."""
    for entry in case.after.entries:
        new = entry.resource if entry.document.file in case.changed else None
        old = case.before.find(ModelVersion, entry.key[1]) if isinstance(new, ModelVersion) else None
        if old is not None and isinstance(new, ModelVersion) and sources.replaces(old, new):
            name = f"{new.spec.model_ref.name}:{new.spec.version}"
            yield Subject(name, f"clean source of {name}", (Verdict("source", Outcome.PASS, sources.told(old, new)),))


def artifact(case: Case, version: ModelVersion, *, deep: bool = False) -> Verdict:
    """Say whether a version's artifact lies where the policy allows and is what its digest promises.

    ``deep`` reads every byte, as for a version that is new; else the manifest and the files' sizes are
    looked at, and the pod verifies the bytes before it loads them.
    """
    policy = case.policy(version.spec.model_ref.name)
    prefixes = policy.spec.artifacts.prefixes if policy else ()
    uri = version.spec.artifact.uri
    if not artifacts.within(uri, prefixes):
        allowed = ", ".join(prefixes) or "none"
        return Verdict("artifact", Outcome.FAIL, f"{uri} lies outside the policy's artifact prefixes ({allowed})")
    try:
        artifacts.check(uri, version.spec.artifact.digest, deep=deep)
    except (IntegrityError, NotFoundError) as error:
        return Verdict("artifact", Outcome.FAIL, str(error))
    except MlgitopsError as error:
        return Verdict("artifact", Outcome.INCONCLUSIVE, str(error))
    said = "holds exactly this digest" if deep else "is there, with this digest's manifest and every file in its size"
    return Verdict("artifact", Outcome.PASS, f"{uri} {said}")


def _unchanged(case: Case, entry: Entry) -> Iterator[Verdict]:
    """What is immutable stays so when it is deleted in one pull request and written anew in another."""
    former = case.former(entry.document.file)
    for path, message in schema.transitions(former.document.raw, entry.document.raw) if former else ():
        reason = f"{entry.document.problem(path, message)}, unlike what lay here before"
        yield Verdict("immutable", Outcome.FAIL, reason)


def _new_version(case: Case, version: ModelVersion) -> tuple[Verdict, ...]:
    found = artifact(case, version, deep=True)
    # A number is given away for ever, so nobody gets one for what cannot be merged.
    actor = case.question.actor if found.outcome is Outcome.PASS else ""
    return _reserved(case, version, actor), found


def _reserved(case: Case, version: ModelVersion, actor: str) -> Verdict:
    model, number, digest = version.spec.model_ref.name, version.spec.version, version.spec.artifact.digest
    ledger = case.question.ledger
    try:
        held = ledger.reservation(model, number)
        if held is not None and held.digest == digest:
            return Verdict("reserved", Outcome.PASS, f"the ledger reserves {model}:{number} for this digest")
        if held is None and not actor:
            command = f"mlgitops reserve {model}:{number} {digest}"
            return Verdict("reserved", Outcome.FAIL, f"{model}:{number} is not reserved; a maintainer runs: {command}")
        taken = [other.spec.version for other in case.before.versions(model)]
        ledger.reserve_number(model, number, digest, "", actor, taken)
    except OutsideError as error:
        return Verdict("reserved", Outcome.INCONCLUSIVE, str(error))
    except MlgitopsError as error:
        return Verdict("reserved", Outcome.FAIL, str(error))
    return Verdict("reserved", Outcome.PASS, f"{actor} reserved {model}:{number} for this digest")
