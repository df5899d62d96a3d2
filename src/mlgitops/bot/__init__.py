"""From a run record to a pull request, and everything a bot does around it.

One module a verb: ``propose``, ``inbox``, ``evaluate``, ``promote``, ``rollback``, ``check``,
``reserve``. Each works on a ``Context``: the registry as its git remote has it now, its forge, its
ledger and its store. Nothing that came from outside reaches a shell, a template or an unpickler.
"""
