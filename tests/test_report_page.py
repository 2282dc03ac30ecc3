"""The page of a report in a real browser: it runs nothing, asks nobody, and cuts nothing off."""

import pytest
from helpers_programs import done
from helpers_report import TAGGED, TEST, TESTED, TOTAG, ReportProject
from helpers_store import folder_store_in
from helpers_tables import labels

from utils.labels import tables

EVIL = "<img src=x onerror=window.ran=1>"
SCRIPT = "<script>window.ran=1</script>"
LONG = "long" * 50
RTL = "\u202eغزال\u2066 deer"
EMOJI = "🦊🦌"
# What reaches beyond the window, or beyond the part that it stands in.
CUT_OFF = """() => [...document.querySelectorAll('body *')]
  .filter(part => !part.closest('svg') && part.clientWidth)
  .filter(part => getComputedStyle(part).display !== 'inline')
  .filter(part => part.scrollWidth > part.clientWidth + 1)
  .map(part => part.tagName + ' ' + part.className + ' ' + part.textContent.slice(0, 60))"""
# Cells and captions that lie over one another.
OVER = """() => {
  const found = [];
  for (const group of document.querySelectorAll('tr, .photos, .cards, .curves')) {
    const parts = [...group.children].map(part => part.getBoundingClientRect());
    for (let one = 0; one < parts.length; one++) for (let other = 0; other < one; other++) {
      const [a, b] = [parts[one], parts[other]];
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 1 && down > 1) found.push(group.className || group.textContent.slice(0, 60));
    }
  }
  return found;
}"""


# Numbers that are broken into two lines.
BROKEN = """() => [...document.querySelectorAll('td')]
  .filter(cell => /^[0-9.–]+$/.test(cell.textContent.trim()))
  .filter(cell => { const text = new Range(); text.selectNodeContents(cell);
                    return new Set([...text.getClientRects()].map(line => line.top)).size > 1; })
  .map(cell => cell.textContent)"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a project whose names are as bad as they can be."""
    folder = tmp_path_factory.mktemp("names")
    classes = {"bird": SCRIPT, "seal": RTL}
    others = [EMOJI, LONG, EVIL]
    images = {
        "a/1.jpg": f"{LONG}/{EMOJI}&amp;\"'.jpg",
        "a/2.jpg": f"<b>/{LONG[:190]}.jpg",
        "b/3.jpg": f"{RTL}/<!-- .jpg",
        "a/5.jpg": f"a/{EVIL}.jpg",
    }
    project = ReportProject(
        folder_store_in(folder), folder, classes=",".join([*classes.values(), *others])
    )
    tagged, tested, totag = (
        project.renamed(frame, images, classes)
        for frame in (labels(TAGGED), labels(TESTED, "tested"), labels(TOTAG, "totag"))
    )
    project.photos(sorted(tables.image_set(tagged) | tables.image_set(totag)))
    test = {images.get(blob, blob) for blob in TEST}
    project.commit(tagged=tagged, totag=totag, test=tables.only(tagged, test))
    project.cycle(tested)
    project.cycle(tested)
    done("train/active_learning_report.sh", project.config)
    return project.settings.data_dir / "report.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 640, 360])  # 640: a window of 1280 at 200 %
def test_nothing_runs_and_nothing_is_cut_off(page, browser, width, scheme):
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    try:
        tab = context.new_page()
        faults, asked = [], []
        tab.on("console", lambda message: faults.append(message.text))
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url[:60]))
        tab.goto(page.as_uri())
        tab.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
        assert tab.evaluate("window.ran") is None and faults == []
        assert [url for url in asked if not url.startswith(("file:", "data:image/jpeg"))] == []
        size = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        assert tab.evaluate(size) == [width, width]
        assert tab.evaluate(CUT_OFF) == []
        assert tab.evaluate(OVER) == []
        assert tab.evaluate(BROKEN) == []
        shown = tab.inner_text("body")
        assert SCRIPT in shown and EMOJI in shown and LONG in shown
        assert tab.locator("main script, main img, main b b").count() == 0
    finally:
        context.close()
