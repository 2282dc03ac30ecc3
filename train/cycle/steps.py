"""The steps of a cycle. They are written down once: in the entry points that people start.

`active_learning_train.sh` names the steps of a training cycle in their order; here they are read
from it, for the loop that runs by itself and for tests. Imports nothing of ours.
"""

import re
import shlex
from pathlib import Path

_ENTRY_POINTS = Path(__file__).resolve().parents[1]
_LIST = re.compile(r"run_steps\.sh\" \"\$\{BASH_SOURCE:-\$0\}\"(.*?) -- \"", re.DOTALL)
_OPTIONS_OF_THE_CALLER = "@"

Step = tuple[str, ...]  # a program of train/ with its own options


def steps_of(entry_point: str, options: str = "") -> tuple[Step, ...]:
    """The steps that an entry point such as `active_learning_train.sh` runs, in their order.

    `options` stands for those that the caller gives, in the step that gets them.
    """
    text = (_ENTRY_POINTS / entry_point).read_text(encoding="utf-8")
    listed = shlex.split(_LIST.search(text)[1].replace("\\\n", " "))
    steps = []
    for line in listed:
        words = (options if word == _OPTIONS_OF_THE_CALLER else word for word in line.split())
        steps.append(tuple(word for word in words if word))
    return tuple(steps)


ONLY_HELPS = ("publish_report",)  # steps without which a cycle counts all the same

LOADED_ONCE_BEFORE = "export_model"  # from this step on, one more at most needs TensorFlow


def name_of(step: Step) -> str:
    """What people call a step: its program without the ending."""
    return Path(step[0]).stem


TRAINING = steps_of("active_learning_train.sh")
