"""The command that makes the shipped model, from drawing its pictures to its folder."""

import argparse
import logging
import os
import sys
from pathlib import Path

# Training small networks is bound by page faults unless the C library keeps the memory it has
# freed, and by threads that spin for one another wherever the cores are shared. Both are read once,
# when a program starts, so the command starts itself again with them.
ENVIRONMENT = {
    "GOMP_SPINCOUNT": "20000",
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TRIM_THRESHOLD_": "10000000000",
    "MALLOC_TOP_PAD_": "100000000",
}


def main() -> None:
    """Draw, train whatever is not yet trained, and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the finished model")
    parser.add_argument("--work", type=Path, required=True, help="folder for data, checkpoints")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--export-only", action="store_true", help="export the latest checkpoint")
    options = parser.parse_args()
    if any(name not in os.environ for name in ENVIRONMENT):
        # Options of the interpreter itself are not needed here, hence the plain command line.
        command = [sys.executable, "-m", "tools.builtin_model.train", *sys.argv[1:]]
        os.execve(sys.executable, command, {**ENVIRONMENT, **os.environ})
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")

    import torch

    from . import course, export
    from .settings import Settings

    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    settings = Settings()
    options.work.mkdir(parents=True, exist_ok=True)
    if not options.export_only:
        course.run(settings, options.work)
    export.export(settings, options.work, options.out)


if __name__ == "__main__":
    main()
