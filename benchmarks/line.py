"""A line between a client and Azurite that is measured, and can be slow: a proxy on loopback in a
process of its own.
"""

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


@contextmanager
def line_to(url: str, latency: float = 0.0) -> Iterator[tuple[str, multiprocessing.Value]]:
    """The address of the account at the other end of the line, and how many bytes have come along
    it. Each request is `latency` seconds late.
    """
    counted, port = multiprocessing.Value("q", 0), multiprocessing.Queue()
    arguments = (urlsplit(url).port, port, counted, latency)
    line = multiprocessing.Process(target=_pass_on, args=arguments, daemon=True)
    line.start()
    yield url.replace(str(urlsplit(url).port), str(port.get())), counted
    line.terminate()


def _pass_on(target: int, port: multiprocessing.Queue, counted, latency: float) -> None:
    async def ask(reader, writer) -> None:
        while data := await reader.read(1 << 18):
            if latency:
                await asyncio.sleep(latency)
            writer.write(data)
            await writer.drain()
        writer.close()

    async def answer(reader, writer) -> None:
        while data := await reader.read(1 << 18):
            counted.value += len(data)
            writer.write(data)
            await writer.drain()
        writer.close()

    async def connect(reader, writer) -> None:
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(
            ask(reader, behind_writer), answer(behind_reader, writer), return_exceptions=True
        )

    async def serve() -> None:
        server = await asyncio.start_server(connect, "127.0.0.1", 0)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())
