"""mlgitops: git is the model registry.

    import mlgitops

    with mlgitops.start_run(experiment="iris"):
        mlgitops.log_params({"C": 1.0})
        mlgitops.log_metric("accuracy", 0.97)
        mlgitops.log_model(model, name="iris", input_example=X[:3])

Importing this module loads what writes a run, because the start of a run shall wait for no import: a few
modules of ours, and of the standard library what any script has. Every other name is fetched from its room
when it is first used.
"""

from mlgitops import lazy as _lazy
from mlgitops.tracking import shorthand as _shorthand  # noqa: F401 - the way to all that writes a run

TYPE_CHECKING = False  # a name that type checkers read as true, without importing typing
if TYPE_CHECKING:
    from mlgitops.errors import MlgitopsError as MlgitopsError
    from mlgitops.loading import load_model as load_model
    from mlgitops.tracking.autolog.switch import autolog as autolog
    from mlgitops.tracking.places import new_run_id as new_run_id
    from mlgitops.tracking.query.comparison import compare as compare
    from mlgitops.tracking.query.search import search_runs as search_runs
    from mlgitops.tracking.run import Run as Run
    from mlgitops.tracking.session import active_run as active_run
    from mlgitops.tracking.session import end_run as end_run
    from mlgitops.tracking.session import set_experiment as set_experiment
    from mlgitops.tracking.session import start_run as start_run
    from mlgitops.tracking.shorthand import log_artifact as log_artifact
    from mlgitops.tracking.shorthand import log_audio as log_audio
    from mlgitops.tracking.shorthand import log_dataset as log_dataset
    from mlgitops.tracking.shorthand import log_dict as log_dict
    from mlgitops.tracking.shorthand import log_figure as log_figure
    from mlgitops.tracking.shorthand import log_html as log_html
    from mlgitops.tracking.shorthand import log_image as log_image
    from mlgitops.tracking.shorthand import log_metric as log_metric
    from mlgitops.tracking.shorthand import log_metrics as log_metrics
    from mlgitops.tracking.shorthand import log_model as log_model
    from mlgitops.tracking.shorthand import log_param as log_param
    from mlgitops.tracking.shorthand import log_params as log_params
    from mlgitops.tracking.shorthand import log_table as log_table
    from mlgitops.tracking.shorthand import log_text as log_text
    from mlgitops.tracking.shorthand import set_tag as set_tag
    from mlgitops.tracking.shorthand import set_tags as set_tags

    __version__: str

_SESSION = "tracking.session"
_SHORTHAND = "tracking.shorthand"
_HOMES = {
    "MlgitopsError": "errors",
    "Run": "tracking.run",
    "active_run": _SESSION,
    "autolog": "tracking.autolog.switch",
    "compare": "tracking.query.comparison",
    "end_run": _SESSION,
    "load_model": "loading",
    "log_artifact": _SHORTHAND,
    "log_audio": _SHORTHAND,
    "log_dataset": _SHORTHAND,
    "log_dict": _SHORTHAND,
    "log_figure": _SHORTHAND,
    "log_html": _SHORTHAND,
    "log_image": _SHORTHAND,
    "log_metric": _SHORTHAND,
    "log_metrics": _SHORTHAND,
    "log_model": _SHORTHAND,
    "log_param": _SHORTHAND,
    "log_params": _SHORTHAND,
    "log_table": _SHORTHAND,
    "log_text": _SHORTHAND,
    "new_run_id": "tracking.places",
    "search_runs": "tracking.query.search",
    "set_experiment": _SESSION,
    "set_tag": _SHORTHAND,
    "set_tags": _SHORTHAND,
    "start_run": _SESSION,
}
__all__ = sorted(_HOMES)
_fetch = _lazy.attributes(__name__, _HOMES)


def __getattr__(name: str) -> object:
    if name != "__version__":
        return _fetch(name)
    from importlib.metadata import version

    return version("mlgitops")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, "__version__"})
