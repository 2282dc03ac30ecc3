"""How fast each program answers to --help, to a wrong command line and to a wrong config, beside
how fast it did at an earlier commit: medians of paired runs.

python benchmarks/start_up.py [COMMIT [PAIRS]]      default: 1a0f54a, 7; to reach: 0.4 of its time
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BASELINE = "1a0f54a"  # before any program was written so that it starts at once
WANTED = 0.4
# What stands before the config on a command line that is right.
ARGUMENTS = {
    "download_vott_json.py": ["5"],
    "import_labels.py": ["labels.csv"],
    "import_predictions.py": ["results.json"],
    "export_labels.py": ["--format", "coco"],
    "change_classes.py": ["--drop", "bird"],
}
WITHOUT_CONFIG = {"start.py", "run_demo.py", "simulate_active_learning.py"}
WRONG_CONFIG = """
image_container_name=images
label_container_name=labels
classes=bird
train_iterations=many
"""


def programs(root: Path) -> list[Path]:
    """What people and scripts start with Python."""
    return sorted(
        path
        for folder in ("tag", "train")
        for path in (root / folder).glob("*.py")
        if not path.name.startswith("_")
    )


def command_lines(program: Path, config: Path) -> dict[str, list[str]]:
    """{what is wrong: the command line}; `config` is one that cannot be used."""
    lines = {"--help": ["--help"], "wrong option": ["--no-such-option", str(config)]}
    if program.name not in WITHOUT_CONFIG:
        lines["wrong config"] = [*ARGUMENTS.get(program.name, []), str(config)]
    return lines


def main(commit: str, pairs: int) -> int:
    with tempfile.TemporaryDirectory() as name:
        earlier, config = Path(name) / "earlier", Path(name) / "config.ini"
        config.write_text(WRONG_CONFIG, encoding="utf-8")
        git("worktree", "add", "--quiet", "--detach", str(earlier), commit)
        try:
            worst = compare(earlier, config, pairs)
        finally:
            git("worktree", "remove", "--force", str(earlier))
    print(f"at most {worst:.2f} of the time at {commit} (to reach: {WANTED})")
    return int(worst > WANTED)


def compare(earlier: Path, config: Path, pairs: int) -> float:
    """Print a line for every program and case that both have; the largest ratio."""
    worst = 0.0
    for program in programs(ROOT):
        before = earlier / program.relative_to(ROOT)
        if not before.exists():
            continue
        for case, arguments in command_lines(program, config).items():
            seconds = [(run(before, arguments), run(program, arguments)) for _ in range(pairs)]
            ratio = statistics.median(now / then for then, now in seconds)
            then, now = (statistics.median(times) for times in zip(*seconds, strict=True))
            print(
                f"{program.relative_to(ROOT).as_posix():36} {case:13} {1000 * then:5.0f} ms →"
                f" {1000 * now:4.0f} ms, {ratio:.2f}",
                flush=True,
            )
            worst = max(worst, ratio)
    return worst


def run(program: Path, arguments: list[str]) -> float:
    """Seconds from the start of a program to its end."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, program, *arguments], capture_output=True)
    seconds = time.perf_counter() - began
    expected = 0 if "--help" in arguments else 2
    if done.returncode != expected:
        raise SystemExit(f"{program} {arguments} ended with {done.returncode}: {done.stderr}")
    return seconds


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=ROOT, check=True)


if __name__ == "__main__":
    commit = sys.argv[1] if len(sys.argv) > 1 else BASELINE
    sys.exit(main(commit, int(sys.argv[2]) if len(sys.argv) > 2 else 7))
