"""RegistrySource: keeps the objects of a namespace equal to a git repository.

checkout    git: which commit, and what it holds
tags        which tag a range of versions means; pure
ignoring    which files are passed over; pure
access      the Secret and the certificates that a source names
watching    when git is asked, and what it said last
closure     which of its objects the cluster needs; pure
inventory   whose an object is, and what may be deleted; pure
agreement   compare, apply, prune
conditions  what the status says; pure
reconcile   the order of these steps
"""

from mlgitops.operator.sources.reconcile import controller

__all__ = ["controller"]
