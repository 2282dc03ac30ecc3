"""The figures of a project as one screen of text."""

from collections.abc import Mapping, Sequence

from utils.labels.lease import RELEASED
from utils.overview.work import cycle_line, forecast_lines, work_lines

SHOWN_CYCLES = 10


def screen(shown: Mapping) -> list[str]:
    """The summary as one screen of lines."""
    count = shown["images"] + shown["failed"]
    head = f"{shown['labels']}: {count} images; last change {shown['at']} by"
    lines = [
        f"{head} {shown['by']}",
        "",
        *_count_lines(shown),
        *_box_lines(shown),
        *_cycle_lines(shown["cycles"]),
        *(forecast_lines(shown["forecast"]) if shown["cycles"] else ()),
        *_model_lines(shown),
    ]
    if shown["watcher"]:
        lines += ["", *_watcher_lines(shown["watcher"])]
    if shown["foreign"]:
        lines.append(
            f"written by another tool: {', '.join(shown['foreign'])}; import_labels.py FILE CONFIG"
            " takes it in"
        )
    warnings = (shown["differing_classes"], shown["missing_checkpoint"])
    lines += [f"warning: {text}" for text in warnings if text]
    return [*lines, "", f"next: {shown['next']}"]


def _count_lines(shown: Mapping) -> list[str]:
    """How many images are in each list, and who has those that are out."""
    unseen = _unseen_words(shown["unseen"], shown["seen_by_pretrained"])
    empty = f"   ({shown['tagged_empty']} of them empty)" if shown["tagged_empty"] else ""
    lines = [
        f"to tag     {shown['to_tag']:7}{unseen}",
        f"out        {_held(shown['out']):7}",
        *_holder_lines(shown["out"]),
        f"tagged     {shown['tagged']:7}{empty}",
        f"test set   {shown['test']:7}",
    ]
    for name, label, text in (
        ("failed", "failed", "cannot be read; the newest failed_….csv says why"),
        ("conflicts", "conflicts", "set aside: labels that contradict those that are there"),
        (
            "gone",
            "gone",
            f"gone from the image container, {shown['gone_tagged']} of them labelled",
        ),
        (
            "replaced",
            "replaced",
            "labelled, but other pictures now: not trained on until looked at again",
        ),
        (
            "review_queue",
            "review",
            "wait to be looked at again: download_vott_json.py N CONFIG --review",
        ),
    ):
        if shown[name]:
            lines.append(f"{label:11}{shown[name]:7}   ({text})")
    if shown["review_out"]:
        count = _held(shown["review_out"])
        lines.append(f"out again  {count:7}   (labelled images under review)")
        lines += _holder_lines(shown["review_out"])
    return [*lines, *work_lines(shown["work"])]


def _unseen_words(unseen: int, by_pretrained: int) -> str:
    """Of the images to tag: how many no model of the project has looked at."""
    if not unseen:
        return ""
    if not by_pretrained:
        return f"   ({unseen} that no model has seen)"
    return (
        f"   ({unseen} that no model of yours has seen; the pretrained model has seen"
        f" {by_pretrained} of them)"
    )


def _held(holders: Mapping[str, Mapping]) -> int:
    return sum(holder["images"] for holder in holders.values())


def _box_lines(shown: Mapping) -> list[str]:
    if not shown["boxes"]:
        return []
    width = max(map(len, shown["boxes"]))
    return [
        "",
        "boxes      tagged    test",
        *(
            f"  {name:{width}} {count:7} {shown['test_boxes'].get(name, 0):7}"
            for name, count in shown["boxes"].items()
        ),
    ]


def _cycle_lines(cycles: Sequence[Mapping]) -> list[str]:
    lines = ["", f"cycles: {len(cycles)}"] if cycles else []
    for cycle in cycles[-SHOWN_CYCLES:]:
        each = ", ".join(f"{name} {_figure(value)}" for name, value in cycle["classes"].items())
        lines.append(
            f"  {cycle['at']}  {cycle['images_labelled']} images labelled, AP"
            f" {_figure(cycle['AP'])}{each and f' ({each})'}"
        )
        lines += cycle_line(cycle["work"])
        if share := cycle["random_share"]:
            lines.append(
                f"    the model before it: AP {_figure(share['AP'])} ({_figure(share['low'])} to"
                f" {_figure(share['high'])}) on {share['images']} images that were drawn at random,"
                " predicted before they were labelled"
            )
    return lines


def _model_lines(shown: Mapping) -> list[str]:
    lines = [f"newest model: {shown['model']}"] if shown["model"] else []
    if shown["report"]:
        lines.append(f"newest report: {shown['report']}")
    if shown["candidate"]:
        lines.append(
            f"candidate, not published: {shown['candidate']['model']}: {shown['candidate']['why']};"
            " train/active_learning_auto.sh CONFIG --accept publishes it"
        )
    return lines


def _holder_lines(holders: Mapping[str, Mapping]) -> list[str]:
    """A line for each person who has images."""
    lines = []
    for tagger, holder in holders.items():
        late = holder["expired"]
        note = f", {late} of them so long that others may get them" if late else ""
        lines.append(
            f"             {holder['images']:5} {tagger or '(nobody)'} since"
            f" {holder['since'] or '?'}{note}"
        )
    return lines


def _watcher_lines(watcher: Mapping) -> list[str]:
    who = f"{watcher['name']} (process {watcher['pid']})"
    if watcher["alive"]:
        lines = [
            f"watcher: {watcher['phase']} since {watcher['phase_since']}, {who}; last heard of at"
            f" {watcher['heartbeat']}"
        ]
    elif watcher["phase"] == RELEASED["phase"]:
        lines = [f"watcher: stopped at {watcher['heartbeat']}, {who}"]
    else:
        lines = [
            f"watcher: NOT HEARD OF since {watcher['heartbeat']} (phase {watcher['phase']}), {who};"
            " start it again with train/active_learning_auto.sh CONFIG"
        ]
    if error := watcher["error"]:
        lines.append(
            f"  its last cycle failed at {error['at']} in {error['phase']} ({watcher['failures']}"
            f" in a row): {error['text']}"
            + (f"; next try at {watcher['retry_at']}" if watcher["retry_at"] else "")
        )
    return lines


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
