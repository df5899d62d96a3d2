"""Where pull requests live. So far: in the refs of a bare repository.

``connect`` returns the forge that the configuration names. Everything a forge keeps may have
been written by anybody who can push; callers escape what they show.
"""

from mlgitops.forge.connecting import connect
from mlgitops.forge.interface import Forge
from mlgitops.forge.local import LocalForge
from mlgitops.forge.pulls import REQUIRED, Approval, Check, Comment, Pull, State

__all__ = ["REQUIRED", "Approval", "Check", "Comment", "Forge", "LocalForge", "Pull", "State", "connect"]
