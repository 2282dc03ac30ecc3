"""How fast photos are fetched by `sync_images`, with its checks and its files.

    python benchmarks/sync_speed.py            1000 blobs of 100 kB, 20 ms more latency a request
        to reach: 5 times a loop that fetches one by one; a second sync fetches nothing
    python benchmarks/sync_speed.py --share    without latency: the share of what Azurite serves at
        most to a client that only receives (aiohttp, no files), alternating in one run
        to reach: 0.4 of it for blobs of 100 kB, 0.2 for blobs of 3 MB

--share says it of both ways to read: obstore, and Azure's own package. The line with latency is a
proxy on loopback in a process of its own.
"""

import asyncio
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT, ROOT / "tests"):
    sys.path.insert(0, str(folder))

import aiohttp
import azurite
from azure.storage.blob import BlobServiceClient, generate_container_sas
from line import line_to

from utils.config import load_config
from utils.storage.container import Blob
from utils.storage.opening import open_containers
from utils.storage.sync import list_images, sync_images

BLOBS, SIZE, LATENCY = 1000, 100_000, 0.020
SHARES = ((1000, 100_000), (150, 3_000_000))  # (blobs, bytes of each)
ROUNDS = 3


def main() -> None:
    with azurite.running() as url, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with BlobServiceClient(url, credential=azurite.KEY) as service:
            for container in ("images", "labels"):
                service.create_container(container)
        if "--share" in sys.argv:
            for count, size in SHARES:
                share(folder, url, count, size)
        else:
            with_latency(folder, url)


def share(folder: Path, url: str, count: int, size: int) -> None:
    """Say how much of what Azurite serves at most comes through `sync_images`, on both ways."""
    images = opened(folder, url)
    write(images, count, size)
    blobs = list_images(images, "*.jpg", True).blobs
    rates: dict[str, list[float]] = {"at most": [], "obstore": [], "package": []}
    for _ in range(ROUNDS):
        rates["at most"].append(max(asyncio.run(served(url, blobs, many)) for many in (4, 8, 16)))
        for way in ("obstore", "package"):
            images = opened(folder, url)
            if way == "package":
                images._bulk = None
            start, busy = time.perf_counter(), time.process_time()
            result = sync_images(images, blobs, folder / "AllImages")
            rates[way].append(count / (time.perf_counter() - start))
            busy = 1000 * (time.process_time() - busy) / count
            assert (result.downloaded, result.failed) == (count, [])
            shutil.rmtree(folder / "AllImages")
            print(f"  {way}: {rates[way][-1]:.1f} blobs/s, {busy:.2f} ms of processor a blob")
    middle = {way: sorted(found)[len(found) // 2] for way, found in rates.items()}
    for way in ("obstore", "package"):
        pairs = zip(rates[way], rates["at most"], strict=True)
        shares = ", ".join(f"{rate / most:.2f}" for rate, most in pairs)
        print(
            f"{size // 1000} kB by {way}: {middle[way]:.1f} of {middle['at most']:.1f} blobs/s ="
            f" {middle[way] / middle['at most']:.2f} ({shares})",
            flush=True,
        )
    for blob in blobs:
        images.delete(blob.name)


def with_latency(folder: Path, url: str) -> None:
    """Say how many times as fast as a loop a sync is over a line with latency."""
    images = opened(folder, url)
    write(images, BLOBS, SIZE)
    blobs = list_images(images, "*.jpg", True).blobs
    with line_to(url, LATENCY) as (slow, _):
        far = opened(folder, slow)
        start = time.perf_counter()
        for blob in blobs:
            far.fetch(blob.name, folder / "one by one" / blob.name)
        alone = BLOBS / (time.perf_counter() - start)
        print(f"one by one, {1000 * LATENCY:.0f} ms latency     {alone:7.1f} blobs/s", flush=True)

        rates = []
        for _ in range(ROUNDS):
            shutil.rmtree(folder / "AllImages", ignore_errors=True)
            start = time.perf_counter()
            result = sync_images(far, blobs, folder / "AllImages")
            rates.append(BLOBS / (time.perf_counter() - start))
            print(f"  a sync: {rates[-1]:.1f} blobs/s", flush=True)
            assert (result.downloaded, result.failed) == (BLOBS, [])
        rate = sorted(rates)[1]
        print(
            f"sync, {1000 * LATENCY:.0f} ms latency           {rate:7.1f} blobs/s (median of"
            f" {', '.join(f'{one:.0f}' for one in rates)})"
        )
        start = time.perf_counter()
        again = sync_images(far, list_images(far, "*.jpg", True).blobs, folder / "AllImages")
        print(
            f"second sync                     fetched {again.downloaded} of {BLOBS}, in"
            f" {time.perf_counter() - start:.2f} s"
        )
        print(f"{rate / alone:.1f} times the loop (to reach: 5)")


def write(images, count: int, size: int) -> None:
    """Write so many blobs of random bytes."""
    with ThreadPoolExecutor(8) as pool:
        names = [f"camera/{number:04d}.jpg" for number in range(count)]
        list(pool.map(lambda name: images.write(name, os.urandom(size)), names))


def opened(folder: Path, url: str):
    """The image container at this address."""
    file = folder / "config.ini"
    file.write_text(
        f"storage_url={url}\nAZURE_STORAGE_ACCOUNT={azurite.ACCOUNT}\nAZURE_STORAGE_KEY={azurite.KEY}\nimage_container_name=images\n"
        "label_container_name=labels\nuser_folders=True\nfiletype=*.jpg\nclasses=bird\n"
    )
    return open_containers(load_config(file, {}))[0]


async def served(url: str, blobs: list[Blob], connections: int) -> float:
    """Blobs per second that Azurite gives to a client that does nothing but receive them."""
    sas = generate_container_sas(
        azurite.ACCOUNT,
        "images",
        azurite.KEY,
        permission="r",
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    rest = iter(blobs)

    async def receive(session: aiohttp.ClientSession) -> None:
        for blob in rest:
            async with session.get(f"{url}/images/{blob.name}?{sas}") as answer:
                assert len(await answer.read()) == blob.size

    async with aiohttp.ClientSession() as session:
        start = time.perf_counter()
        await asyncio.gather(*(receive(session) for _ in range(connections)))
        return len(blobs) / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
