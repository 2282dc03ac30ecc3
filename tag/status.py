"""How the project stands: images to tag, out, tagged and in the test set, boxes per class, cycles
with their AP, and what to do next.
"""

import _repo_root  # noqa: F401  I001

import argparse
import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pandas as pd

from utils.labels import assignments
from utils.labels import review_queue
from utils.labels import tables
from utils.arguments import Parser
from utils.batch.batch import read_batch
from utils.config import Config, load_config
from utils.errors import InputError, OutsideError, run_program
from utils.labels.store import Change, LabelStore, State, open_labels
from utils.labels.check import (
    CHECKED,
    Finding,
    check_blobs,
    check_tables,
    named_blobs,
    prunable,
    repaired,
    without_lost_helps,
)
from utils.labels.tables import image_set
from utils.reserved import NULL
from utils.labels.takeover import foreign_blobs
from utils.labels.lease import RELEASED, is_alive, read_watcher

SHOWN_CYCLES = 10


def main(argv: list[str]) -> int:
    parser = Parser(__doc__, "example: python status.py ../config.ini --check")
    parser.add_argument("config", help="config.ini")
    parser.add_argument("--json", action="store_true", help="the same for programs")
    parser.add_argument(
        "--check",
        action="store_true",
        help=(
            "verify the rules of the label container and every file it names; exit 1 if one is"
            " broken"
        ),
    )
    parser.add_argument(
        "--repair", action="store_true", help="check, and mend what has one right answer"
    )
    parser.add_argument(
        "--prune",
        action="store_true",
        help="delete our own files that no state of the last 30 days and no cycle names",
    )
    options = parser.parse_args(argv)

    config = load_config(options.config)
    _, labels = open_labels(config)
    state = labels.read(report_foreign=True)
    if state.etag is None:
        raise InputError(
            f"{labels.container.address}: no project there yet; "
            "run train/active_learning_initialize.sh CONFIG on the training machine first"
        )
    if options.check or options.repair:
        return check(labels, state, options)
    if options.prune:
        return prune(labels, state, options)
    shown = summary(config, labels, state, datetime.now(UTC))
    print(json.dumps(shown, indent=1, ensure_ascii=False) if options.json else screen(shown))
    return 0


def check(labels: LabelStore, state: State, options: argparse.Namespace) -> int:
    """Print what is broken; with --repair mend it first. 1 when something is (still) broken."""
    found, read = check_blobs(labels, state)
    found += check_tables(read)
    mended: list[Finding] = []
    if options.repair and any(finding.repairable for finding in found):
        if any(name not in read for name in CHECKED):
            raise OutsideError(
                "nothing was mended, because a table cannot be read:"
                f" {next(str(f) for f in found if f.rule == 5)}"
            )
        state, _ = labels.commit(
            lambda now: Change(
                repaired({name: labels.table(now, name) for name in CHECKED}),
                without_lost_helps(now, found, labels),
            ),
            what="mending the state",
        )
        mended = [finding for finding in found if finding.repairable]
        found, read = check_blobs(labels, state)
        found += check_tables(read)
    if options.json:
        print(
            json.dumps(
                {
                    "commit": state.commit,
                    "findings": [vars(finding) for finding in found],
                    "mended": [vars(f) for f in mended],
                },
                indent=1,
                ensure_ascii=False,
            )
        )
        return 1 if found else 0
    for finding in mended:
        print(f"mended: {finding.text}")
    for finding in found:
        print(finding)
    print(
        f"{len(named_blobs(state))} files and"
        f" {len(image_set(read.get('images', tables.empty('images'))))} images checked,"
        f" {len(found)} rules broken, {len(mended)} mended → commit {state.commit or 'none'}"
    )
    return 1 if found else 0


def prune(labels: LabelStore, state: State, options: argparse.Namespace) -> int:
    """Delete what `prunable` names."""
    blobs = [
        blob if blob.metadata else labels.container.info(blob.name)
        for blob in labels.container.list()
    ]
    gone = prunable(blobs, named_blobs(state), state.document["history"], datetime.now(UTC))
    size = {blob.name: blob.size for blob in blobs}
    for name in gone:
        labels.container.delete(name)
    if options.json:
        print(json.dumps({"deleted": gone, "bytes": sum(size[name] for name in gone)}, indent=1))
    else:
        print(
            f"{len(gone)} of {len(blobs)} files deleted,"
            f" {sum(size[name] for name in gone) / 1e6:.1f} MB → {labels.container.address}"
        )
    return 0


def summary(config: Config, labels: LabelStore, state: State, now: datetime) -> dict:
    """What there is to say about the state, as plain data."""
    at = {name: labels.table(state, name) for name in CHECKED}
    free = labels.totag(state, now)
    review_out = review_queue.reservations(at["review"])
    live = image_set(review_out) - assignments.expired(review_out, config.reservation_hours, now)
    boxes = at["tagged"][at["tagged"]["class"] != NULL]
    in_test = tables.only(boxes, image_set(at["test"]))
    cycles = [_cycle(cycle) for cycle in state.cycles]
    shown = {
        "labels": labels.container.address,
        "commit": state.commit,
        "at": state.document.get("at"),
        "by": state.document.get("by"),
        "images": len(image_set(at["images"])),
        "failed": len(image_set(at["failed"])),
        "to_tag": len(image_set(free)),
        "unseen": len(image_set(free[free["box_confidence"].isna()])),
        "out": _holders(at["tagging"], config, now),
        "tagged": len(image_set(at["tagged"])),
        "tagged_empty": len(image_set(at["tagged"])) - len(image_set(boxes)),
        "test": len(image_set(at["test"])),
        "review_queue": len(set(review_queue.queued(at["review"])) - live),
        "review_out": _holders(review_out, config, now),
        "conflicts": len(image_set(at["conflicts"])),
        "boxes": _counts(boxes),
        "test_boxes": _counts(in_test),
        "classes": state.classes,
        "cycles": cycles,
        "model": state.live.get("model"),
        "foreign": foreign_blobs(labels.container, state.document)["blobs"],
        "candidate": _candidate(state.document.get("candidate")),
        "watcher": _watcher(read_watcher(labels.container), now),
    }
    shown["next"] = advice(shown, config)
    return shown


def advice(shown: Mapping, config: Config) -> str:
    """What this person, or the one at the training machine, does next."""
    try:
        batch = read_batch(config.tagging_location) if config.tagging_location else None
    except InputError as error:
        return str(error)
    mine = sum(
        shown[name].get(config.tagger_name, {}).get("images", 0) for name in ("out", "review_out")
    )
    since = shown["tagged"] - (
        shown["cycles"][-1]["images_labelled"] or 0 if shown["cycles"] else 0
    )
    if not shown["images"] and not shown["to_tag"] and not shown["tagged"]:
        return "take the images in: train/active_learning_initialize.sh CONFIG"
    if mine and batch is None:
        return (
            f"you hold {mine} images that are not in tagging_location: download_vott_json.py N"
            " CONFIG --again, or abandon.py CONFIG"
        )
    if mine:
        return (
            f"review your {mine} images in {config.tagging_location} with VoTT, then"
            " upload_vott_json.py CONFIG"
        )
    if shown["tagged"] and since >= (config.auto_retrain_images if shown["cycles"] else 1):
        then = (
            f"train/active_learning_train.sh CONFIG ({since} images were labelled since the last"
            " cycle)"
        )
        return f"train: {then}" + (
            ", or label more: download_vott_json.py 40 CONFIG" if shown["to_tag"] else ""
        )
    if shown["to_tag"]:
        return "download_vott_json.py 40 CONFIG"
    if shown["review_queue"]:
        return "look at labelled images again: download_vott_json.py 40 CONFIG --review"
    return (
        "nothing is left to tag; add images to the container and run"
        " train/active_learning_initialize.sh CONFIG"
    )


def screen(shown: Mapping) -> str:
    """The summary as one screen of text."""
    lines = [
        f"{shown['labels']}: {shown['images']} images; last change {shown['at']} by {shown['by']}",
        "",
    ]
    lines.append(
        f"to tag     {shown['to_tag']:7}"
        + (f"   ({shown['unseen']} that no model has seen)" if shown["unseen"] else "")
    )
    lines.append(f"out        {sum(holder['images'] for holder in shown['out'].values()):7}")
    lines += _holder_lines(shown["out"])
    empty = f"   ({shown['tagged_empty']} of them empty)" if shown["tagged_empty"] else ""
    lines.append(f"tagged     {shown['tagged']:7}{empty}")
    lines.append(f"test set   {shown['test']:7}")
    for name, text in (
        ("failed", "cannot be read; the newest failed_….csv says why"),
        ("conflicts", "set aside: two people tagged them"),
        ("review_queue", "wait to be looked at again: download_vott_json.py N CONFIG --review"),
    ):
        if shown[name]:
            lines.append(f"{name.replace('_queue', ''):11}{shown[name]:7}   ({text})")
    if shown["review_out"]:
        lines.append(
            f"out again  {sum(holder['images'] for holder in shown['review_out'].values()):7}  "
            " (labelled images under review)"
        )
        lines += _holder_lines(shown["review_out"])
    if shown["boxes"]:
        lines += ["", "boxes      tagged    test"]
        width = max(map(len, shown["boxes"]))
        lines += [
            f"  {name:{width}} {count:7} {shown['test_boxes'].get(name, 0):7}"
            for name, count in shown["boxes"].items()
        ]
    if shown["cycles"]:
        lines += ["", f"cycles: {len(shown['cycles'])}"]
    for cycle in shown["cycles"][-SHOWN_CYCLES:]:
        each = ", ".join(f"{name} {_figure(value)}" for name, value in cycle["classes"].items())
        lines.append(
            f"  {cycle['at']}  {cycle['images_labelled']} images labelled, AP"
            f" {_figure(cycle['AP'])}{each and f' ({each})'}"
        )
        if share := cycle["random_share"]:
            lines.append(
                f"    the model before it: AP {_figure(share['AP'])} ({_figure(share['low'])} to"
                f" {_figure(share['high'])}) on {share['images']} images that were drawn at random,"
                " predicted before they were labelled"
            )
    if shown["model"]:
        lines.append(f"newest model: {shown['model']}")
    if shown["candidate"]:
        lines.append(
            f"candidate, not published: {shown['candidate']['model']}: {shown['candidate']['why']};"
            " train/active_learning_auto.sh CONFIG --accept publishes it"
        )
    if shown["watcher"]:
        lines += ["", *_watcher_lines(shown["watcher"])]
    if shown["foreign"]:
        lines.append(
            f"written by another tool: {', '.join(shown['foreign'])}; import_labels.py FILE CONFIG"
            " takes it in"
        )
    return "\n".join([*lines, "", f"next: {shown['next']}"])


def _holders(reserved: pd.DataFrame, config: Config, now: datetime) -> dict[str, dict]:
    """{tagger: how many images of these they have, since when, how many of them others may get}"""
    late = assignments.expired(reserved, config.reservation_hours, now)
    return {
        tagger: {
            "images": len(image_set(rows)),
            "since": rows["reserved_at"].min(),
            "expired": len(image_set(rows) & late),
        }
        for tagger, rows in reserved.groupby("tagger")
    }


def _holder_lines(holders: Mapping[str, Mapping]) -> list[str]:
    late = {
        tagger: (
            f", {holder['expired']} of them so long that others may get them"
            if holder["expired"]
            else ""
        )
        for tagger, holder in holders.items()
    }
    return [
        f"             {holder['images']:5} {tagger or '(nobody)'} since"
        f" {holder['since'] or '?'}{late[tagger]}"
        for tagger, holder in holders.items()
    ]


def _cycle(cycle: Mapping) -> dict:
    """One cycle's figures; the metrics of its entry are those of its performance table."""
    metrics = cycle.get("metrics") or {}
    figures = {
        name: values.get("AP") if isinstance(values, Mapping) else None
        for name, values in metrics.items()
    }
    average = figures.pop("Average", None)
    return {
        "at": cycle.get("at"),
        "images_labelled": cycle.get("images_labelled"),
        "boxes_labelled": cycle.get("boxes_labelled"),
        "AP": average,
        "classes": figures,
        "model": cycle.get("model"),
        "random_share": cycle.get("random_share"),
    }


def _candidate(candidate: Mapping | None) -> dict | None:
    """The model that was measured worse than the live one, and kept."""
    if not candidate:
        return None
    return {
        "model": candidate.get("model"),
        "at": candidate.get("at"),
        "why": (candidate.get("verdict") or {}).get("why"),
    }


def _watcher(document: Mapping | None, now: datetime) -> dict | None:
    """What the loop that runs by itself says of itself; `alive` as far as its heartbeat tells."""
    if document is None:
        return None
    members = (
        "name",
        "place",
        "pid",
        "phase",
        "phase_since",
        "heartbeat",
        "failures",
        "retry_at",
        "error",
    )
    return {"alive": is_alive(document, now), **{name: document.get(name) for name in members}}


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


def _counts(boxes: pd.DataFrame) -> dict[str, int]:
    return {name: int(count) for name, count in boxes["class"].value_counts().items()}


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    run_program(main)
