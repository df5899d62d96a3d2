"""The ledger's statements about a version, believed only as far as the policy names their signers."""

from __future__ import annotations

from dataclasses import dataclass

from mlgitops.api import ModelVersion, PromotionPolicy
from mlgitops.errors import CheckFailedError, InputError, OutsideError
from mlgitops.evidence import Ledger, Statement, open_envelope
from mlgitops.promotion import BECAME_UNHEALTHY, EVALUATED, ROLLED_OUT, Evaluation, Outcome, Service, Verdict

# Predicate types, by the names that a policy's signers give these kinds.
KINDS = {"evaluated": EVALUATED, "rolledOut": ROLLED_OUT, "becameUnhealthy": BECAME_UNHEALTHY}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a version, the newest first, and what could not be read."""

    evaluations: tuple[Evaluation, ...] = ()
    services: tuple[Service, ...] = ()
    unread: tuple[Verdict, ...] = ()


def gather(ledger: Ledger, version: ModelVersion, policy: PromotionPolicy | None) -> Evidence:
    """Return the verified statements about a version.

    A statement that nobody named has signed, that is about another digest, or that does not say what
    its kind says counts for nothing; a ledger that cannot be read makes the judgement inconclusive.
    """
    try:
        envelopes = ledger.named_statements(version.spec.model_ref.name, version.spec.version)
    except OutsideError as error:
        return Evidence(unread=(Verdict("ledger", Outcome.INCONCLUSIVE, str(error)),))
    evaluations, services = [], []
    for name, envelope in envelopes.items():
        try:
            statement, signer = _believed(envelope, policy)
            if statement.subject_digest != version.spec.artifact.digest:
                continue
            kind, said = statement.predicate_type, statement.predicate
            if kind == EVALUATED:
                found = Evaluation.read(said, subject=statement.subject_digest, signer=signer, statement=name)
                evaluations.append(found)
            else:
                services.append(Service.read(kind, said, signer=signer, statement=name))
        except (InputError, CheckFailedError):
            continue
    return Evidence(tuple(evaluations), tuple(services))


def _believed(envelope: bytes, policy: PromotionPolicy | None) -> tuple[Statement, str]:
    """Return a statement whose signer may make statements of its kind, and who that is."""
    signers = policy.spec.signers if policy else ()
    statement, name = open_envelope(envelope, {signer.name: signer.public_key for signer in signers})
    key = next(signer.public_key for signer in signers if signer.name == name)
    # A key may stand there under several names, each for some kinds.
    allowed = [kind for signer in signers if signer.public_key == key for kind in signer.statements]
    if statement.predicate_type not in [KINDS.get(kind) for kind in allowed]:
        raise CheckFailedError(f"{name} may not state that")
    return statement, name
