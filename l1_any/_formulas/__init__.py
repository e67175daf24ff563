"""The mathematics on whole arrays, eager or traced: the reference that every faster way is held to. No checks."""
