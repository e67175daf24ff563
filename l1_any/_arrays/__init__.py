"""The differences between array libraries. The penalties and their formulas name no array library."""
