"""VoTT 1.x as an annotation tool: one project file, `<folder>.json`, beside each image folder."""

from pathlib import Path

from utils.files import folded
from utils.formats.returned import BadFile, File, Reading
from utils.formats.sheets import HandedOut, Review, Sheet
from utils.formats.vott import Frame, Project, is_reviewed, read_project, tag_names, write_project

__all__ = ["tag_names"]

NAME = "vott"
UNIQUE_STEMS = False
MARK = "step past them in VoTT and save"
AWAITED = ""  # its files are there from the beginning


def how(batch: HandedOut) -> str:
    """What to do with the batch, in a line for people."""
    return f"open {batch.place / batch.folders[0]} in VoTT, step past every image, and save"


def answers(batch: HandedOut) -> dict[str, list[str]]:
    """{file below the place of the batch in which an answer comes back: images it is about}."""
    return {
        _file_of(folder): [f"{folder}/{name}" for name in batch.inside(folder)]
        for folder in batch.folders
    }


def write(batch: HandedOut) -> dict[str, bytes]:
    """{path below the place of the batch: content} of all that the tool is given."""
    return {
        _file_of(folder): write_project(list(batch.inside(folder).values()), batch.tags)
        for folder in batch.folders
    }


def recognises(file: File) -> bool:
    """Is it a project of VoTT 1.x?"""
    return isinstance(file.json, dict) and isinstance(file.json.get("frames"), dict)


def read(file: File, batch: HandedOut) -> Reading:
    """What the project says of each image of its folder. Raises BadFile when nothing in it can be
    used.
    """
    folder = file.folder or (batch.folders[0] if len(batch.folders) == 1 else "")
    if folder not in batch.folders:
        raise BadFile(
            f"it is not named after one of the image folders ({', '.join(batch.folders)}), so"
            " nobody can tell whose images it is about"
        )
    sheets = batch.inside(folder)
    listed_now = sheets if file.beside is None else file.beside
    project = _matched(read_project(file.data, sheets, listed_now), list(sheets))
    reading = Reading()
    for name in sorted(set(project.frames) - set(sheets)):
        reading.strangers.append(name)
        if project.frames[name] != Frame():
            reading.drawn.add(name)
    for name, sheet in sheets.items():
        reading.add(f"{folder}/{name}", _review(name, project, sheet))
    return reading


def _review(name: str, project: Project, sheet: Sheet) -> Review:
    frame = project.frames.get(name, Frame())
    reviewed = is_reviewed(name, project, sheet.boxes, sheet.width, sheet.height)
    return Review(
        reviewed, frame.boxes, fault=frame.fault or "", notes=frame.notes, views=frame.views
    )


def _matched(project: Project, names: list[str]) -> Project:
    """The project with names spelt as in the batch: file systems change case and accents."""
    spelt = {folded(name): name for name in names}
    frames: dict[str, Frame] = {}
    for key, frame in project.frames.items():
        name = spelt.get(folded(key), key)
        if frames.get(name, frame) != frame:
            frame = Frame(fault="it has two keys, with different boxes")
        frames[name] = frame
    return Project(frames, frozenset(spelt.get(folded(name), name) for name in project.visited))


def _file_of(folder: str) -> str:
    return Path(f"{folder}.json").as_posix()
