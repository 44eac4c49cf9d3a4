"""The models that ship with their parameters; ``es`` is made with ``load_es``, because it needs rows."""

from collections.abc import Callable, Mapping

from risk.errors import ParameterError
from risk.models.pm2 import load_pm
from risk.models.result import MarginModel
from risk.models.span16 import load_span
from risk.models.standard import load_standard

MODELS: Mapping[str, Callable[[], MarginModel]] = {
    "pm2": lambda: load_pm("pm2_v1"),
    "pmrm": lambda: load_pm("pmrm_v1"),
    "standard": load_standard,
    "span16": load_span,
}


def load_model(name: str) -> MarginModel:
    """A shipped model by name; raises ``ParameterError`` naming what there is."""
    if name not in MODELS:
        raise ParameterError(f"model {name!r}: is none of {', '.join(MODELS)}, or es with a scenario set")
    return MODELS[name]()
