"""With how many bits predictions are calculated: the setting `bfloat16`, and what this CPU makes of
them.
"""

import time
from collections.abc import Callable
from pathlib import Path

# of x86 CPUs that multiply bfloat16 numbers themselves; others only lose time with them
_FLAGS = {
    "avx512_bf16",
    "amx_bf16",
}
_WORTHWHILE = 1.2
_PIXELS, _CHANNELS, _RUNS = 40, 256, 5


def bfloat16_gain() -> float:
    """How many times as fast as in float32 TensorFlow convolves in bfloat16 on this CPU: the best
    of some runs of each, 0.3 s in all.

    The flags do not tell: with avx512_bf16 but without AMX a Sapphire Rapids is slower in 16 bits
    (benchmarks/results/figures.md).
    """
    import tensorflow as tf

    def seconds(dtype: tf.DType) -> float:
        with tf.device("/CPU:0"):
            images, kernel = (
                tf.ones(shape, dtype)
                for shape in ([1, _PIXELS, _PIXELS, _CHANNELS], [3, 3, _CHANNELS, _CHANNELS])
            )
            spent = []
            for _ in range(_RUNS + 1):  # the first run prepares
                begun = time.perf_counter()
                tf.nn.conv2d(images, kernel, 1, "SAME").numpy()
                spent.append(time.perf_counter() - begun)
        return min(spent[1:])

    return seconds(tf.float32) / seconds(tf.bfloat16)


def use_bfloat16(
    setting: str, cpuinfo: Path = Path("/proc/cpuinfo"), gain: Callable[[], float] = bfloat16_gain
) -> tuple[bool, str]:
    """Whether to predict in 16 bits for `bfloat16`=auto, true or false, and a line for people that
    says so and why.
    """
    if setting != "auto":
        chosen = setting == "true"
        return chosen, f"predicting in {_name(chosen)} (bfloat16={chosen})"
    if not _FLAGS & cpu_flags(cpuinfo):
        return (
            False,
            (
                f"predicting in {_name(False)} (bfloat16=auto; this CPU is not known to be made for"
                " bfloat16)"
            ),
        )
    times = gain()
    chosen = times >= _WORTHWHILE
    return (
        chosen,
        (
            f"predicting in {_name(chosen)} (bfloat16=auto; this CPU is {times:.1f} times as fast"
            " in bfloat16)"
        ),
    )


def cpu_flags(cpuinfo: Path) -> set[str]:
    """The flags of the first CPU in Linux' /proc/cpuinfo; none on other systems."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    return set(
        next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), ())
    )


def _name(bfloat16: bool) -> str:
    return "bfloat16" if bfloat16 else "float32"
