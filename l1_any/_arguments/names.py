"""Names that the package does not have: where the thing is, or what it is called here."""

import difflib
from collections.abc import Sequence

ELSEWHERE = {
    "ProximalL1": "l1_any.optim.ProximalL1",
    "proximal_l1": "l1_any.optim.proximal_l1",
    "batch_loss": "l1_any.tinker.batch_loss",
    "per_datum_loss": "l1_any.tinker.per_datum_loss",
    "linear_warmup": "l1_any.schedules.linear_warmup",
    "cosine": "l1_any.schedules.cosine",
    "check_contract": "l1_any.testing.check_contract",
}
"""What other modules of the package have."""

CALLED = {
    "l1": "value",
    "l1_norm": "value",
    "l1_loss": "value",
    "norm": "value",
    "penalty": "value",
    "grad": "subgradient",
    "gradient": "subgradient",
    "value_and_grad": "value_and_subgradient",
    "value_and_gradient": "value_and_subgradient",
    "shrink": "prox",
    "soft_threshold": "prox",
    "soft_thresholding": "prox",
    "softshrink": "prox",
    "elastic_net": "prox_elastic_net",
    "group_lasso": "group_value",
    "huber_loss": "huber",
    "smooth_l1": "huber",
    "smooth_l1_loss": "huber",
    "project_l1_ball": "project",
    "alpha_max": "strength_max",
    "lambda_max": "strength_max",
}
"""The names of other libraries, and the names here."""

SOLVERS = ("fista", "ista", "lasso", "Lasso")


def advice(name: str, public: Sequence[str]) -> str:
    """Return the end of an error for a name that the package does not have."""
    if name.startswith("_"):
        return ""
    if name in ELSEWHERE:
        return f"; it is `{ELSEWHERE[name]}`"
    if name in SOLVERS:
        return "; `prox` is the step of such a solver, and examples/lasso.py has one"
    near = [CALLED[name]] if name in CALLED else difflib.get_close_matches(name, public, 1)
    return f"; did you mean `{near[0]}`?" if near else ""
