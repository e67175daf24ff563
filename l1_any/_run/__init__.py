"""How a formula meets arrays: whole, by blocks, by chunks, or as a fused kernel."""
