"""Fuzzing of everything that reads files of other people's: pictures and batch files."""
