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

A name is fetched from its module when it is first used: a verdict that is known, or one object of
thousands, is found in less time than all of it takes to import.
"""

from mlgitops import lazy

TYPE_CHECKING = False  # a name that type checkers read as true, without importing typing
if TYPE_CHECKING:
    from mlgitops.registry import edit as edit
    from mlgitops.registry import layout as layout
    from mlgitops.registry import owners as owners
    from mlgitops.registry.blueprint import Settings as Settings
    from mlgitops.registry.blueprint import remote_address as remote_address
    from mlgitops.registry.blueprint import scaffold as scaffold
    from mlgitops.registry.blueprint import store_address as store_address
    from mlgitops.registry.canonical import write as write
    from mlgitops.registry.naming import Naming as Naming
    from mlgitops.registry.naming import history as history
    from mlgitops.registry.rules import validate as validate
    from mlgitops.registry.single import stage as stage
    from mlgitops.registry.single import version as version
    from mlgitops.registry.tree import Entry as Entry
    from mlgitops.registry.tree import Tree as Tree
    from mlgitops.registry.tree import applied_files as applied_files
    from mlgitops.registry.tree import below_top as below_top
    from mlgitops.registry.tree import committed_files as committed_files
    from mlgitops.registry.tree import load as load
    from mlgitops.registry.tree import load_files as load_files
    from mlgitops.registry.tree import policy_name as policy_name
    from mlgitops.registry.tree import read as read
    from mlgitops.registry.tree import read_files as read_files
    from mlgitops.registry.verdicts import Verdict as Verdict
    from mlgitops.registry.verdicts import examine as examine

_HOMES = {
    "Entry": "tree",
    "Naming": "naming",
    "Settings": "blueprint",
    "Tree": "tree",
    "Verdict": "verdicts",
    "applied_files": "tree",
    "below_top": "tree",
    "committed_files": "tree",
    "edit": "edit",
    "examine": "verdicts",
    "history": "naming",
    "layout": "layout",
    "load": "tree",
    "load_files": "tree",
    "owners": "owners",
    "policy_name": "tree",
    "read": "tree",
    "read_files": "tree",
    "remote_address": "blueprint",
    "scaffold": "blueprint",
    "stage": "single",
    "store_address": "blueprint",
    "validate": "rules",
    "version": "single",
    "write": "canonical",
}
__all__ = sorted(_HOMES)
__getattr__ = lazy.attributes(__name__, _HOMES)
