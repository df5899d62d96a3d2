"""Which of many processes of one training this is, as their launcher says."""

from __future__ import annotations

import os

# Ours first, so that a person can overrule a launcher; then torchrun, Slurm, Open MPI, PMIx, MPICH and jsrun.
VARIABLES = (
    "MLGITOPS_RANK",
    "RANK",
    "SLURM_PROCID",
    "OMPI_COMM_WORLD_RANK",
    "PMIX_RANK",
    "PMI_RANK",
    "JSM_NAMESPACE_RANK",
)


def rank() -> int | None:
    """Return this process's rank, None where no launcher gave it one."""
    for name in VARIABLES:
        text = os.environ.get(name, "")
        if text.isascii() and text.isdigit():
            return int(text)
    return None
