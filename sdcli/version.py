"""The version, alone, so that whoever writes it imports nothing else."""

__version__ = "0.1.0"
