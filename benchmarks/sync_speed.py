"""Figure 4: sync of 1000 blobs of 100 kB through a line with 20 ms more latency per request,
against a loop that fetches one by one.

    python benchmarks/sync_speed.py        to reach: 5 times the loop; a second sync fetches nothing

The line is a proxy on loopback in a process of its own. Also said: the share of what Azurite serves
at most, to a client that only receives (aiohttp, no files, no latency).
"""

import asyncio
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT, ROOT / "tests"):
    sys.path.insert(0, str(folder))

import aiohttp
import azurite
from azure.storage.blob import BlobServiceClient, generate_container_sas

from utils.config import load_config
from utils.storage.opening import open_containers
from utils.storage.sync import list_images, sync_images

BLOBS, SIZE, LATENCY = 1000, 100_000, 0.020


def main() -> None:
    with azurite.running() as url, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with BlobServiceClient(url, credential=azurite.KEY) as service:
            for container in ("images", "labels"):
                service.create_container(container)
        images = opened(folder, url)
        with ThreadPoolExecutor(8) as pool:
            list(
                pool.map(
                    lambda number: images.write(f"camera/{number:04d}.jpg", os.urandom(SIZE)),
                    range(BLOBS),
                )
            )

        most = max(asyncio.run(served(url, connections)) for connections in (4, 8, 16, 32))
        print(f"Azurite serves at most          {most:7.1f} blobs/s", flush=True)
        port = multiprocessing.Queue()
        proxy = multiprocessing.Process(
            target=run_proxy, args=(urlsplit(url).port, port), daemon=True
        )
        proxy.start()
        far = opened(folder, url.replace(str(urlsplit(url).port), str(port.get())))
        blobs = list_images(far, "*.jpg", True).blobs

        start = time.perf_counter()
        for blob in blobs:
            far.fetch(blob.name, folder / "one by one" / blob.name)
        alone = BLOBS / (time.perf_counter() - start)
        print(f"one by one, {1000 * LATENCY:.0f} ms latency     {alone:7.1f} blobs/s", flush=True)

        rates = []
        for _ in range(3):
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
        print(
            f"{rate / alone:.1f} times the loop (to reach: 5), {100 * rate / most:.0f} % of what"
            " Azurite serves at most"
        )
        proxy.terminate()


def opened(folder: Path, url: str):
    """The image container at this address."""
    file = folder / "config.ini"
    file.write_text(
        f"storage_url={url}\nAZURE_STORAGE_ACCOUNT={azurite.ACCOUNT}\nAZURE_STORAGE_KEY={azurite.KEY}\nimage_container_name=images\n"
        "label_container_name=labels\nuser_folders=True\nfiletype=*.jpg\nclasses=bird\n"
    )
    return open_containers(load_config(file, {}))[0]


async def served(url: str, connections: int) -> float:
    """Blobs per second that Azurite gives to a client that does nothing but receive them."""
    sas = generate_container_sas(
        azurite.ACCOUNT,
        "images",
        azurite.KEY,
        permission="r",
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    names = iter(range(BLOBS))

    async def receive(session: aiohttp.ClientSession) -> None:
        for number in names:
            async with session.get(f"{url}/images/camera/{number:04d}.jpg?{sas}") as answer:
                assert len(await answer.read()) == SIZE

    async with aiohttp.ClientSession() as session:
        start = time.perf_counter()
        await asyncio.gather(*(receive(session) for _ in range(connections)))
        return BLOBS / (time.perf_counter() - start)


def run_proxy(target: int, port: multiprocessing.Queue) -> None:
    """Pass everything on to `target`, each request LATENCY seconds late; puts its own port into the
    queue.
    """

    async def pipe(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float
    ) -> None:
        while data := await reader.read(1 << 18):
            if delay:
                await asyncio.sleep(delay)
            writer.write(data)
            await writer.drain()
        writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(
            pipe(reader, behind_writer, LATENCY),
            pipe(behind_reader, writer, 0),
            return_exceptions=True,
        )

    async def serve() -> None:
        server = await asyncio.start_server(connect, "127.0.0.1", 0)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


if __name__ == "__main__":
    main()
