"""The command that fuzzes the readers with atheris: random files, led by what code they reach.

    python -m tools.fuzz [TARGET] [--seconds 30]

Without a target each of them in turn. What is found on the way is kept in build/fuzz, and the next
run begins from it; so is a file that fells a reader, or keeps it busy for over ten seconds.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

KEPT = Path("build/fuzz")
MISSING = "atheris is not installed: pip install '.[fuzz]' (Linux on x86-64 only)"


def main(arguments: list[str]) -> int:
    """The command; its exit code, 2 where atheris is not there, 1 where a reader is felled."""
    try:
        import atheris
    except ImportError:
        print(MISSING, file=sys.stderr)
        return 2
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz")
    parser.add_argument("target", nargs="?")
    parser.add_argument("--seconds", type=int, default=30, help="for each target")
    wanted = parser.parse_args(arguments)
    if wanted.target is None:
        return _each(wanted.seconds)
    with atheris.instrument_imports(include=["sdcli"]):
        from . import seeds, targets
    if wanted.target not in targets.TARGETS:
        parser.error(f"no target {wanted.target!r}; there are {', '.join(targets.TARGETS)}")
    folder = KEPT / wanted.target
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds.seeds()[wanted.target]):
        (corpus / f"seed-{number}").write_bytes(data)
    dictionary = folder / "words"
    dictionary.write_text("".join(f'"{word}"\n' for word in seeds.words()))
    limits = [f"-max_total_time={wanted.seconds}", "-timeout=10", "-rss_limit_mb=4096"]
    shape = ["-max_len=4096", f"-dict={dictionary}", f"-artifact_prefix={folder}/"]
    told = ["-verbosity=0", "-print_final_stats=1"]
    atheris.Setup(
        [sys.argv[0], *limits, *shape, *told, str(corpus)],
        lambda data: targets.read(wanted.target, data, folder / "picture"),
    )
    atheris.Fuzz()  # which ends the process
    return 0


def _each(seconds: int) -> int:
    """Every target in a process of its own, which is told of in one line unless it is felled."""
    from .targets import TARGETS

    felled = 0
    for name in TARGETS:
        command = [sys.executable, "-m", "tools.fuzz", name, "--seconds", str(seconds)]
        made = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        runs = re.search(r"number_of_executed_units: (\d+)", made.stdout)
        print(f"{name}: {int(runs[1]) if runs else 0:,} files read", flush=True)
        if made.returncode:
            felled += 1
            why = re.sub(r"(?m)^(INFO|WARNING): .*\n", "", made.stdout)
            print(f"{why}\n{name} is felled; the file is in {KEPT / name}", flush=True)
    return 1 if felled else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
