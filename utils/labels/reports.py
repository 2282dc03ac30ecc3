"""The names of reports in the label container: a page for people, and its twin for programs, which
the page's name tells.
"""

PAGE, DATA = ".html", ".json"  # what the two end with
KIND = "report"


def is_page(blob: str) -> bool:
    """Whether a blob of ours is the page of a report."""
    return blob.startswith(f"{KIND}_") and blob.endswith(PAGE)


def page_of(blob: str) -> str:
    """The page whose twin this is; what is no twin, as it is."""
    is_twin = blob.startswith(f"{KIND}_") and blob.endswith(DATA)
    return blob.removesuffix(DATA) + PAGE if is_twin else blob


def twin_of(page: str) -> str:
    """The name of the twin of a page."""
    return page.removesuffix(PAGE) + DATA
