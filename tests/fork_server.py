"""A process that has TensorFlow loaded and forks itself for each program that a test runs: that is
a process of its own, as people's is, without the seconds of loading.

It reads lines of JSON, {"program": path, "words": […], "env": {…}, "cwd": path, "output": path,
"errors": path}, and writes the exit code of each.
"""

import json
import os
import runpy
import sys
import traceback
from pathlib import Path

from train.network.quiet import silence

silence()

import train.cycle.training_run  # noqa: E402, F401
import train.network.export  # noqa: E402, F401


def serve() -> None:
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _become(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(wanted: dict) -> None:
    """Run the program in this process, and end with its exit code."""
    code = 1
    try:
        os.environ.clear()
        os.environ.update(wanted["env"])
        os.chdir(wanted["cwd"])
        for number, path in ((0, os.devnull), (1, wanted["output"]), (2, wanted["errors"])):
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            os.dup2(file, number)
            os.close(file)
        sys.argv = [wanted["program"], *wanted["words"]]
        sys.path.insert(0, str(Path(wanted["program"]).parent))
        runpy.run_path(wanted["program"], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
