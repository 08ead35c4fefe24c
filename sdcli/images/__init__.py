"""Pictures as pixels and files: no model, no torch."""
