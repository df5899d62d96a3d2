"""Run records: folders of plain files that training writes and everybody can read.

Writing: ``shorthand`` and ``session`` (what a script calls, and which run it writes to),
``run`` and ``attachments`` (one run's handle), ``writer`` (one process's file), ``beginning`` and
``ending``, ``helper`` and ``capture`` (what else is worth knowing, found by a process of its own),
``saver`` and ``saving`` (models that such a process saves; ``unsaved`` is what the record says until then).
Reading: ``records`` (a run as a value, ``shapes``), ``sums`` (what lines add up to), ``points`` (every
single value), ``life`` (who is alive), ``remarks`` (what was added later). Only ``remote`` and
``models`` leave the standard library, and ``tables`` where it can. docs/design/0002 and 0013 describe
the files.

Names are fetched when first used: a training script pays for the writer only.
"""

from mlgitops import lazy

TYPE_CHECKING = False  # a name that type checkers read as true, without importing typing
if TYPE_CHECKING:
    from mlgitops.tracking.places import root as root
    from mlgitops.tracking.points import Point as Point
    from mlgitops.tracking.points import read_points as read_points
    from mlgitops.tracking.records import Dataset as Dataset
    from mlgitops.tracking.records import Environment as Environment
    from mlgitops.tracking.records import LoggedModel as LoggedModel
    from mlgitops.tracking.records import Media as Media
    from mlgitops.tracking.records import MetricSummary as MetricSummary
    from mlgitops.tracking.records import Note as Note
    from mlgitops.tracking.records import RunRecord as RunRecord
    from mlgitops.tracking.records import Shared as Shared
    from mlgitops.tracking.records import Source as Source
    from mlgitops.tracking.records import find as find
    from mlgitops.tracking.records import list_runs as list_runs
    from mlgitops.tracking.records import read as read
    from mlgitops.tracking.remarks import Experiment as Experiment
    from mlgitops.tracking.remarks import experiments as experiments
    from mlgitops.tracking.run import Run as Run
    from mlgitops.tracking.session import start_run as start_run

_HOMES = {
    "Dataset": "records",
    "Environment": "records",
    "Experiment": "remarks",
    "LoggedModel": "records",
    "Media": "records",
    "MetricSummary": "records",
    "Note": "records",
    "Point": "points",
    "Run": "run",
    "RunRecord": "records",
    "Shared": "records",
    "Source": "records",
    "experiments": "remarks",
    "find": "records",
    "list_runs": "records",
    "read": "records",
    "read_points": "points",
    "root": "places",
    "start_run": "session",
}
__getattr__ = lazy.attributes(__name__, _HOMES)
