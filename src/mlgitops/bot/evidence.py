"""The ledger's statements about a version, believed only as far as the policy names their signers."""

from __future__ import annotations

from mlgitops.api import ModelVersion, PromotionPolicy
from mlgitops.errors import CheckFailedError, InputError, OutsideError
from mlgitops.evidence import Ledger, open_envelope
from mlgitops.promotion import EVALUATED, Evaluation, Outcome, Verdict

STATEMENT = "evaluated"  # as a policy's signers name this kind


def evaluations(
    ledger: Ledger, version: ModelVersion, policy: PromotionPolicy | None
) -> tuple[list[Evaluation], tuple[Verdict, ...]]:
    """Return the verified evaluations of a version, newest first, and what could not be read.

    A statement that nobody named has signed, that is about another digest, or that is no evaluation
    counts for nothing; a ledger that cannot be read makes the judgement inconclusive.
    """
    signers = {
        signer.name: signer.public_key
        for signer in (policy.spec.signers if policy else ())
        if STATEMENT in signer.statements
    }
    digest = version.spec.artifact.digest
    try:
        envelopes = ledger.named_statements(version.spec.model_ref.name, version.spec.version)
    except OutsideError as error:
        return [], (Verdict("ledger", Outcome.INCONCLUSIVE, str(error)),)
    found = []
    for name, envelope in envelopes.items():
        try:
            statement, signer = open_envelope(envelope, signers)
            if statement.predicate_type == EVALUATED and statement.subject_digest == digest:
                found.append(Evaluation.read(statement.predicate, subject=digest, signer=signer, statement=name))
        except (InputError, CheckFailedError):
            continue
    return found, ()
