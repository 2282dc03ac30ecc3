"""The review page in a real browser, from the choice of the photos to the rows in tagged."""

import json
import re
import time

import pytest
from helpers_batch import THREE, BatchProject, picture
from helpers_page import Here, Program, Window
from helpers_tables import labels

from utils.config import load_config
from utils.labels import tables
from utils.labels.tables import blob_names, split_name

SIX = {
    "a/50%#1.jpg": "bird 0.1 0.5 0.2 0.8 0.9 0.9",
    "a/two words.jpg": "bird 0.1 0.5 0.2 0.8 0.8 0.8",
    "b/鳥 été.jpg": "seal 0.1 0.5 0.2 0.8 0.7 0.7",
    "b/turned.jpg": "NULL 0 0 0 0 0 0",
    "c/dark.jpg": "NULL 0 0 0 0 0 0",
    "c/unknown.jpg": "NULL 0 0 0 0 0 0",
}


def project_of(store, folder, images: dict[str, str], **settings) -> BatchProject:
    """A project with these images, whatever characters are in their names."""
    project = BatchProject(store, folder, "", annotation_tool="page", **settings)
    rows = []
    for blob, row in images.items():
        one, (parent, name) = labels(f"x.jpg {row}", "totag"), split_name(blob)
        rows.append(one.assign(folder=parent, filename=name))
    project.seed(tables.concat("totag", *rows))
    return project


def exact(project) -> dict[str, list[tuple]]:
    """{image: (class, xmin, xmax, ymin, ymax, width, height) of its boxes}, with every digit."""
    frame = project.table("tagged")
    columns = ["class", "xmin", "xmax", "ymin", "ymax", "width", "height"]
    found: dict[str, list[tuple]] = {}
    for blob, row in zip(
        blob_names(frame), frame[columns].itertuples(index=False, name=None), strict=True
    ):
        found.setdefault(blob, []).append(row)
    return {blob: sorted(rows) for blob, rows in found.items()}


def test_the_whole_way_from_the_choice_to_the_rows_in_tagged(store, tmp_path, browser):
    project = project_of(store, tmp_path, SIX)
    project.images.write("b/turned.jpg", picture(orientation=6))  # upright: 100 x 200
    with Program(project.config, 6) as program, Window(browser, program.url) as window:
        assert window.place == "1 / 6" and window.text("#name") == "a/50%#1.jpg"
        assert window.boxes() == ["bird 90 %"]
        window.drag((120, 10), (180, 90))  # drawn
        window.press("2", "Space")

        window.click(60, 50)
        window.drag((60, 50), (90, 40))  # moved by 30, -10
        window.drag((130, 70), (150, 95))  # its corner
        window.press("Space")

        assert window.text("#name") == "b/turned.jpg"
        window.drag((10, 20), (90, 190))
        window.press("Space")

        window.click(60, 50)
        window.press("Delete", "Space")  # reviewed: nothing is there
        window.press("s", "3", "s", "2")

        assert "All photos are done" in window.text("#last")
        assert "4 photos with 4 boxes" in window.text("#last")
        window.press("Enter")
        window.page.wait_for_selector("#last pre")
        said = window.text("#last pre").splitlines()
        assert [line.split(" → ")[0] for line in said] == ["4 images, 4 boxes"]
        assert said[-1].endswith("; 1 not usable; 1 given back")
        assert program.end()[0] == said[0]

    bird, seal = ("bird", 0.1, 0.5, 0.2, 0.8, 200, 100), ("seal", 0.6, 0.9, 0.1, 0.9, 200, 100)
    assert exact(project) == {
        "a/50%#1.jpg": [bird, seal],
        "a/two words.jpg": [("bird", 0.25, 0.75, 0.1, 0.95, 200, 100)],
        "b/turned.jpg": [("bird", 0.1, 0.9, 0.1, 0.95, 100, 200)],
        "b/鳥 été.jpg": [("NULL", 0, 0, 0, 0, 200, 100)],
    }
    assert project.names("failed") == ["c/dark.jpg"] and project.names("tagging") == []
    assert "4 uploaded before" in project.last(project.run("upload")), "the same file, read again"


def test_the_photo_fills_the_stage_and_the_models_boxes_are_told_from_a_persons(
    folder_store, tmp_path, browser
):
    project = BatchProject(folder_store, tmp_path, THREE, annotation_tool="page")
    with Here(project.config, 3) as program, Window(browser, program.url) as window:
        stage = window.page.locator("#stage").bounding_box()
        photo = window.page.locator("#photo").bounding_box()
        assert photo["width"] == pytest.approx(stage["width"], abs=30)
        assert stage["width"] * stage["height"] > 0.7 * 1280 * 720

        window.drag((120, 10), (180, 90))
        window.press("2")
        dashes, colours = (
            window.page.locator(".box .line").evaluate_all(
                f"lines => lines.map(line => getComputedStyle(line).{name})"
            )
            for name in ("strokeDasharray", "stroke")
        )
        assert sorted(dash == "none" for dash in dashes) == [False, True]
        assert len(set(colours)) == 2, "a colour for each class"
        assert window.boxes() == ["bird 90 %", "seal"]
        corners = window.page.locator(".corner").evaluate_all(
            "corners => corners.map(corner => getComputedStyle(corner).cursor)"
        )
        assert corners == ["nwse-resize", "nesw-resize", "nesw-resize", "nwse-resize"]
        window.press("Space")
        assert re.match(r"1 done, \d+:\d\d, \d+ s a photo", window.text("#clock"))


def test_the_selected_box_is_held_by_its_corners_at_any_zoom(folder_store, tmp_path, browser):
    project = BatchProject(folder_store, tmp_path, THREE, annotation_tool="page")
    with Here(project.config, 3) as program, Window(browser, program.url) as window:
        window.click(60, 50)
        window.press("+", "+")
        x, y = window.on_screen(100, 80)
        window.page.mouse.move(x + 7, y + 7)  # beside the corner, and near enough
        window.page.mouse.down()
        there = window.on_screen(110, 70)
        window.page.mouse.move(*there, steps=3)
        window.page.mouse.up()
        window.saved()
        assert saved_boxes(project, 0) == "bird 0.1 0.55 0.2 0.7"


def test_everything_can_be_done_without_a_pointer(folder_store, tmp_path, browser):
    project = BatchProject(folder_store, tmp_path, THREE, annotation_tool="page")
    with Program(project.config, 3) as program, Window(browser, program.url) as window:
        window.press("Tab", "2")  # the box
        window.press(*["Control+ArrowRight"] * 3, *["Control+Shift+ArrowDown"] * 2)
        assert window.boxes() == ["seal"], "what a person changed is no suggestion any more"
        window.press("n", "1", "Control+ArrowUp", "Enter")
        window.press("n", "x", "Space", "e")
        assert "All photos are done" in window.text("#last")
        assert window.page.evaluate("document.activeElement.textContent") == "Upload"
        window.press("Enter")
        window.page.wait_for_selector("#last pre")
        window.page.get_by_text("Enough for today").focus()
        window.page.keyboard.press("Enter")
        assert program.rest()[-1].startswith("3 of 3 images are reviewed")
    assert exact(project) == {
        "north/1.jpg": [
            ("bird", 0.44, 0.565, 0.37, 0.62, 200, 100),
            ("seal", 0.115, 0.515, 0.2, 0.82, 200, 100),
        ],
        "south/1.jpg": [("NULL", 0, 0, 0, 0, 200, 100)],
        "south/2.jpg": [("NULL", 0, 0, 0, 0, 200, 100)],
    }


def test_a_program_killed_in_mid_drag_loses_nothing_and_the_window_goes_on_when_it_is_back(
    folder_store, tmp_path, browser
):
    project = BatchProject(folder_store, tmp_path, THREE, annotation_tool="page")
    with Program(project.config, 3) as program, Window(browser, program.url) as window:
        window.press("Space")
        window.saved()
        window.drag((20, 20), (100, 80), drop=False)
        program.kill()
        window.page.mouse.up()
        window.page.wait_for_selector("#banner:not([hidden])")
        assert "NOT SAVED" in window.text("#banner") and window.text("#saving") == "NOT SAVED"
        assert window.boxes() == ["bird"], "what was drawn is there still"
        assert reviewed(project)["images"].keys() == {list(project.batch["images"])[0]}

        with Program(project.config) as again:
            assert again.url == program.url
            window.page.wait_for_selector("#banner", state="hidden")
            window.saved()
            assert saved_boxes(project, 1) == "bird 0.1 0.5 0.2 0.8"
            with Window(browser, again.url) as other:
                assert other.place == "2 / 3" and other.boxes() == ["bird"]


def reviewed(project) -> dict:
    """What is on disk."""
    return json.loads((project.place / "review.json").read_text(encoding="utf-8"))


def saved_boxes(project, place: int) -> str:
    """The boxes of an image as they are on disk."""
    image = reviewed(project)["images"][list(project.batch["images"])[place]]
    sides = ("xmin", "xmax", "ymin", "ymax")
    boxes = [[box["tag"], *(f"{box[side]:.6g}" for side in sides)] for box in image["boxes"]]
    return ", ".join(" ".join(box) for box in boxes)


def test_two_windows_on_one_batch_do_not_overwrite_each_other(folder_store, tmp_path, browser):
    project = BatchProject(folder_store, tmp_path, THREE, annotation_tool="page")
    with (
        Here(project.config, 3) as program,
        Window(browser, program.url) as one,
        Window(browser, program.url) as other,
    ):
        one.drag((120, 10), (180, 90))
        one.saved()
        other.click(60, 50)
        other.press("Delete")  # of the photo as it was
        other.page.wait_for_selector("#message:not([hidden])")
        assert "changed in another window" in other.text("#message")
        assert other.boxes() == one.boxes() == ["bird", "bird 90 %"]
        assert saved_boxes(project, 0) == "bird 0.1 0.5 0.2 0.8, bird 0.6 0.9 0.1 0.9"
        other.press("z")  # what was done there is not lost
        assert other.boxes() == []
        other.saved()
        one.press("PageDown", "b")
        one.until("document.querySelectorAll('.box').length === 0")


def test_a_reload_goes_on_at_the_same_photo_with_all_that_was_done(folder_store, tmp_path, browser):
    project = BatchProject(folder_store, tmp_path, THREE, annotation_tool="page")
    with Here(project.config, 3) as program, Window(browser, program.url) as window:
        window.press("Space", "n")
        window.saved()
        window.page.reload()
        window.wait()
        assert window.place == "2 / 3" and window.boxes() == ["bird"]
        assert window.text("#state") == "begun"
        window.press("b")
        assert window.text("#state") == "reviewed"
        window.press("u")
        assert "2 photos not counted as reviewed" in window.text("#last")


def test_undo_brings_back_what_was_done_in_whatever_photo(folder_store, tmp_path, browser):
    project = BatchProject(folder_store, tmp_path, THREE, annotation_tool="page")
    with Here(project.config, 3) as program, Window(browser, program.url) as window:
        window.press("e", "Control+z")
        assert window.place == "1 / 3" and window.boxes() == ["bird 90 %"]
        assert window.text("#state") == "begun"
        window.press("Control+y")
        assert window.boxes() == [] and window.text("#state") == "nothing there"
        window.press("z", "n", "ArrowLeft", "ArrowLeft", "Shift+ArrowDown", "z", "z")
        assert window.boxes() == ["bird", "bird 90 %"], "a run of keys is one step"
        window.press("z")
        assert window.boxes() == ["bird 90 %"]
        window.saved()
        assert saved_boxes(project, 0) == "bird 0.1 0.5 0.2 0.8"


def test_one_zooms_to_the_pointer_and_draws_there_to_the_pixel(folder_store, tmp_path, browser):
    project = BatchProject(folder_store, tmp_path, THREE, annotation_tool="page")
    with Here(project.config, 3) as program, Window(browser, program.url) as window:
        point = (775, 388)
        before = window.on_photo(*point)
        window.page.mouse.move(*point)
        for _ in range(4):
            window.page.mouse.wheel(0, -300)
        window.until("document.querySelector('#stage > img').classList.contains('large')")
        assert window.on_photo(*point) == pytest.approx(before, abs=0.1)
        window.drag((150, 50), (153, 52), button="right")  # the photo moves
        assert window.on_photo(*point) == pytest.approx((before[0] - 3, before[1] - 2), abs=0.2)
        window.drag((141, 43), (149, 51))
        window.press("f", "l", "m")
        assert "brightness(1.2) contrast(1.2)" in window.page.locator("#stage > img").evaluate(
            "photo => photo.style.filter"
        )
        window.press("h")
        assert not window.page.locator(".box").first.is_visible()
        window.press("h", "r")
        assert window.page.locator(".box").first.is_visible()
        window.saved()
        assert saved_boxes(project, 0).endswith("bird 0.705 0.745 0.43 0.51")


def test_a_box_is_drawn_over_others_resized_past_its_corner_and_kept_inside(
    folder_store, tmp_path, browser
):
    project = BatchProject(folder_store, tmp_path, THREE, annotation_tool="page")
    with Here(project.config, 3) as program, Window(browser, program.url) as window:
        window.drag((30, 30), (60, 60))  # inside the model's box
        window.drag((30, 30), (80, 90))  # its corner, past the opposite one
        window.saved()
        assert saved_boxes(project, 0).endswith("bird 0.3 0.4 0.6 0.9")
        window.drag((70, 75), (199, 99))
        window.saved()
        assert saved_boxes(project, 0).endswith("bird 0.9 1 0.7 1")
        window.drag((195, 85), (150, 20), drop=False)
        window.press("Escape")
        window.page.mouse.up()
        window.click(40, 25)
        window.press("Delete")
        window.click(5, 5)
        window.drag((60, 2), (60, 90))  # no width
        window.saved()
        assert saved_boxes(project, 0) == "bird 0.9 1 0.7 1"


def test_more_than_ten_classes_are_found_by_typing_and_names_are_never_alive(
    folder_store, tmp_path, browser
):
    names = [f"kind {number}" for number in range(11)]
    names += [
        "<script>document.title='alive'</script>",
        "<img src=x onerror=alert(1)>",
        "Große Möwe",
    ]
    project = project_of(
        folder_store, tmp_path, {"a/<b>&.jpg": SIX["b/turned.jpg"]}, classes=",".join(names)
    )
    with Here(project.config, 1) as program, Window(browser, program.url) as window:
        assert window.text("#name") == "a/<b>&.jpg"
        window.press("n", "0")
        assert window.boxes() == ["kind 9"]
        window.press("c")
        window.page.keyboard.type("mow")
        window.press("Enter")
        assert window.boxes() == ["Große Möwe"]
        window.press("c")
        window.page.keyboard.type("script")
        window.press("Enter", "Space")
        assert window.page.title() == "Review"
        window.press("Enter")
        window.page.wait_for_selector("#last pre")
    assert [row[0] for row in exact(project)["a/<b>&.jpg"]] == [names[11]]


def test_the_next_batch_is_offered_and_what_was_left_is_given_back_if_wanted(
    folder_store, tmp_path, browser
):
    project = BatchProject(folder_store, tmp_path, THREE, annotation_tool="page")
    with Here(project.config, 2) as program, Window(browser, program.url) as window:
        window.press("Space", "u")
        window.page.get_by_role("button", name="Upload", exact=True).click()
        window.page.wait_for_selector(".next")
        window.page.get_by_text("Next photos").click()
        window.page.wait_for_selector(".next .wrong")
        assert "not uploaded" in window.text(".next .wrong")
        window.page.get_by_label("give 1 photo").check()
        window.page.get_by_label("How many?").fill("1")
        window.page.get_by_text("Next photos").click()
        window.until("document.getElementById('place')?.textContent === '1 / 1'")
        window.wait()
        assert len(project.names("tagging")) == 1 and len(project.names("tagged")) == 1


def test_the_overview_shows_what_became_of_each_photo_and_leads_there(
    folder_store, tmp_path, browser
):
    project = BatchProject(folder_store, tmp_path, THREE, annotation_tool="page")
    with Here(project.config, 3) as program, Window(browser, program.url) as window:
        window.press("Space", "e", "o")
        chips = window.page.locator("#overview .cards .chip").all_text_contents()
        assert chips == ["reviewed", "nothing there", "not looked at"]
        loaded = "[...document.querySelectorAll('#overview img')].every(img => img.naturalWidth)"
        window.until(loaded)
        window.press("ArrowLeft", "ArrowLeft", "Enter")
        assert window.place == "1 / 3"
        window.press("?")
        assert "nothing is here: all boxes go; next" in window.text("#help")
        window.press("Escape")
        assert window.page.evaluate("document.activeElement.id") == "stage"


def test_what_is_left_can_be_seen_from_the_last_page(folder_store, tmp_path, browser):
    project = BatchProject(folder_store, tmp_path, THREE, annotation_tool="page")
    with Here(project.config, 3) as program, Window(browser, program.url) as window:
        window.press("Space", "u")
        assert "2 photos not counted as reviewed" in window.text("#last .left")
        window.page.get_by_text("Which?").click()
        assert not window.page.locator("#last").is_visible()
        window.press("ArrowRight", "Enter")
        assert window.place == "3 / 3"
        window.press("s", "1")
        assert "2 photos not counted" in window.text("#last")
        window.page.get_by_text("Back to the photos").click()
        assert window.text("#state") == "skipped for now"


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_it_can_be_read_at_200_percent(folder_store, tmp_path, browser, theme):
    project = BatchProject(folder_store, tmp_path, THREE, annotation_tool="page")
    small = {"viewport": {"width": 640, "height": 360}, "device_scale_factor": 2}
    with (
        Here(project.config, 3) as program,
        Window(browser, program.url, color_scheme=theme, **small) as window,
    ):
        root = "document.documentElement"
        assert window.page.evaluate(f"{root}.dataset.theme") == theme
        assert window.page.evaluate(f"{root}.scrollWidth") <= 640
        assert window.page.locator("#stage").bounding_box()["height"] > 200
        assert window.page.locator("[data-does=next]").is_visible()
        for key in ("?", "o", "u", "s"):
            window.press(key)
            sheet = window.page.locator("dialog[open]")
            assert sheet.evaluate("it => it.scrollWidth <= it.clientWidth")
            window.press("Escape")
        ring = "getComputedStyle(document.activeElement).outlineStyle"
        assert window.page.evaluate(ring) == "solid"


def test_seconds_are_counted_while_something_happens(folder_store, tmp_path, browser):
    project = BatchProject(folder_store, tmp_path, THREE, annotation_tool="page")
    with Here(project.config, 3) as program, Window(browser, program.url) as window:
        for _ in range(24):
            window.page.mouse.move(300, 300)
            window.page.mouse.move(310, 300)
            time.sleep(0.1)
        window.press("Space")
        window.saved()
    first = reviewed(project)["images"][list(project.batch["images"])[0]]
    assert 1 <= first["seconds"] <= 6 and first["state"] == "reviewed"


def test_a_batch_begun_in_vott_goes_on_in_the_page(folder_store, tmp_path, browser):
    project = BatchProject(folder_store, tmp_path, THREE, annotation_tool="vott")
    project.run("download", 3)
    project.save(visited=["north/1.jpg"])
    with Here(project.config) as program, Window(browser, program.url) as window:
        assert "1 images were reviewed in vott; the page begins there" in program.said
        assert window.text("#state") == "reviewed"
        window.click(60, 50)
        window.press("2", "PageDown", "Space")
        window.saved()
    said = project.last(project.run("upload"))
    assert said.startswith("2 images, 1 boxes") and "1 of 3 not counted" in said
    assert project.boxes() == ["north/1.jpg seal 0.1 0.5 0.2 0.8", "south/1.jpg NULL 0 0 0 0"]


def test_a_class_made_in_the_page_is_in_the_config_the_batch_and_the_labels(
    store, tmp_path, browser
):
    project = project_of(store, tmp_path, SIX)
    with Here(project.config, 6) as here, Window(browser, here.url) as window:
        window.drag((120, 10), (180, 90))
        window.press("c")
        window.page.keyboard.type("tern <b>")
        window.press("Enter")
        window.until("document.querySelectorAll('#classes [role=radio]').length === 3")
        if store.kind == "azurite":  # others train there
            assert "config.ini needs it too" in window.text("#message")
        window.press("Space", "u", "Enter")
        window.page.wait_for_selector("#last pre")
        assert "not in classes" not in window.text("#last pre")
    assert load_config(project.config).classes == ("bird", "seal", "tern <b>")
    assert project.batch["tags"]["tern <b>"] == "tern <b>"
    assert "tern <b>" in set(project.table("tagged")["class"])
