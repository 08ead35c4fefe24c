"""Batch files: prompts and settings of many pictures, in the formats that people have."""

from .reading import FORMATS, Row, read_rows, rows_of

__all__ = ["FORMATS", "Row", "read_rows", "rows_of"]
