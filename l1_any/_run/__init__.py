"""How a formula is applied to arrays: to the whole array, by blocks, by chunks, or by a fused kernel."""
