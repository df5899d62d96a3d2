"""The ``mlgitops`` command; only wiring."""
