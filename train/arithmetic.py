"""With how many bits predictions are calculated: the setting `bfloat16`, and what this CPU can do."""
from pathlib import Path

_FLAGS = {"avx512_bf16", "amx_bf16"}  # of x86 CPUs that multiply bfloat16 numbers themselves; others only lose time with them


def use_bfloat16(setting: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[bool, str]:
    """Whether to predict in 16 bits for `bfloat16`=auto, true or false, and a line for people that says so and why."""
    if setting != "auto":
        chosen = setting == "true"
        return chosen, f"predicting in {_name(chosen)} (bfloat16={chosen})"
    chosen = bool(_FLAGS & cpu_flags(cpuinfo))
    return chosen, f"predicting in {_name(chosen)} (bfloat16=auto; this CPU is {'made' if chosen else 'not known to be made'} for bfloat16)"


def cpu_flags(cpuinfo: Path) -> set[str]:
    """The flags of the first CPU in Linux' /proc/cpuinfo; none on other systems."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    return set(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), ()))


def _name(bfloat16: bool) -> str:
    return "bfloat16" if bfloat16 else "float32"
