"""The networks that predict: each behind one call."""
