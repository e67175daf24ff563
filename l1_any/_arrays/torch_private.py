"""What torch has no public function for. If one of these names disappears, the answer is the safe one."""

import torch

# A dispatch mode may keep a result, as selective checkpointing does; such a result must not be overwritten. If this
# function disappears, a mode is assumed, and nothing is written in place.
current_mode = getattr(
    getattr(torch.utils, "_python_dispatch", None), "_get_current_dispatch_mode", lambda: "unknown"
)

forward_ad = torch.autograd.forward_ad
"""Its variable `_current_level` is below 0 outside of `dual_level()`, where no tensor can have a tangent.

`unpack_dual` takes longer than all other questions together. If the variable disappears, each tensor is asked.
"""
