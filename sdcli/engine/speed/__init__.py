"""The same numbers in less time and memory, or where a person asks for it nearly the same."""
