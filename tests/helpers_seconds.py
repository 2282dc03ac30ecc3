"""How many seconds of processor the tests of each file take, their programs included, with the
option `--processor-seconds`.

What goes on in the background is counted where it ends: the process that has TensorFlow loaded, and
Azurite, are in no test's figure.
"""

from collections import Counter
from collections.abc import Iterator

import psutil
import pytest

_NAME = "processor seconds"
_SHOWN = 40


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--processor-seconds",
        action="store_true",
        help="say how many seconds of processor the tests of each file take",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """Note what was used since the last phase of a test."""
    report = yield
    now = _used()
    before = item.session.stash.get(_BEFORE, _AT_BEGINNING)
    item.session.stash[_BEFORE] = now
    report.user_properties = [*report.user_properties, (_NAME, now - before)]
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not terminalreporter.config.getoption("--processor-seconds"):
        return
    seconds = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                seconds[report.nodeid.partition("::")[0]] += value if name == _NAME else 0
    terminalreporter.section(f"{sum(seconds.values()):.0f} seconds of processor")
    for file, value in seconds.most_common(_SHOWN):
        terminalreporter.write_line(f"{value:8.1f} {file}")


def _used() -> float:
    """Seconds of this process and of its children that have ended."""
    used = psutil.Process().cpu_times()
    return used.user + used.system + used.children_user + used.children_system


_BEFORE = pytest.StashKey[float]()
_AT_BEGINNING = _used()
