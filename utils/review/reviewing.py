"""A review from beginning to end: a batch is there or is fetched, the page is shown until somebody
ends it, and what a person must know is said in lines.
"""

from collections.abc import Iterator
from dataclasses import replace

from utils.batch.downloading import download
from utils.batch.place import at_page
from utils.batch.request import Request
from utils.batch.resuming import Unsent
from utils.config import Config
from utils.formats import page
from utils.review.desk import Desk
from utils.review.opening import open_session
from utils.review.server import serve
from utils.review.session import Session


def review(
    config: Config, request: Request, browser: bool = True, again: str = ""
) -> Iterator[str]:
    """Show the page for the batch in tagging_location; when none is there that can be gone on with,
    and a number of images (or minutes) is asked for, they are chosen and fetched first. Gives lines
    for people, the closing line last. `browser`: open one; `again`: the command to go on with, for
    messages.

    Raises InputError when there is no batch, or it is not this tagger's; OutsideError when another
    program shows its page.
    """
    place, count = config.need("tagging_location"), request.count
    if count is not None or request.minutes:
        try:
            yield from download(config, request)
        except Unsent:
            number = f"{count} " if count else ""
            yield f"{place}: the batch there is not done; the next {number}images come after it"

    session, lines = open_session(config, request.config)
    yield from lines
    request = replace(request, count=count or len(session.keys), minutes=None)
    with at_page(place):
        desk = Desk(config, request, session)
        serve(desk, browser)
    yield _closing_line(desk.session, request.config, again or f"review.py {request.config}")


def _closing_line(session: Session, config: str, again: str) -> str:
    saved = [session.saved(key) for key in session.keys]
    reviewed = sum(one.state == page.REVIEWED for one in saved)
    return (
        f"{reviewed} of {len(saved)} images are reviewed, in {session.batch.place / page.FILE}; go"
        f" on with {again}, upload with upload_vott_json.py {config}"
    )
