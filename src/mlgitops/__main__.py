"""``python -m mlgitops`` is the ``mlgitops`` command."""

from mlgitops.cli.main import main

main()
