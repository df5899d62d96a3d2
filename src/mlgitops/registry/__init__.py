"""The registry: a git tree of our kinds, read, judged, edited and made.

load, load_files     a folder, a commit or files → Tree; raises what is no valid object
read, read_files     the same, problems kept in the tree
stage, version       one object, by reading its one file
examine              the verdict on a folder, looked up when nothing changed
validate             every problem of a tree, alone or against the tree it shall replace
write                an object as our tools write it
edit                 one field changed, comments and order kept
layout               which object lies where
scaffold             a new registry repo
history              which version a stage named, and since when
"""

from mlgitops.registry import edit, layout, owners
from mlgitops.registry.blueprint import Settings, scaffold
from mlgitops.registry.canonical import write
from mlgitops.registry.naming import Naming, history
from mlgitops.registry.rules import validate
from mlgitops.registry.single import stage, version
from mlgitops.registry.tree import Entry, Tree, applied_files, load, load_files, policy_name, read, read_files
from mlgitops.registry.verdicts import Verdict, examine

__all__ = [
    "Entry",
    "Naming",
    "Settings",
    "Tree",
    "Verdict",
    "applied_files",
    "edit",
    "examine",
    "history",
    "layout",
    "load",
    "load_files",
    "owners",
    "policy_name",
    "read",
    "read_files",
    "scaffold",
    "stage",
    "validate",
    "version",
    "write",
]
