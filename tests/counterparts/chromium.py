"""A real Chromium without a window, driven over its own protocol: opens a page, runs an expression in it, looks at it."""

from __future__ import annotations

import asyncio
import base64
import itertools
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.counterparts.missing import need

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

START_SECONDS = 60
MESSAGE_BYTES_MAX = 256 * 1024 * 1024


class Page:
    """One tab. `problems` are the texts of what the console complained about: refused scripts, errors nobody caught."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.problems: list[str] = []
        self.requests: list[str] = []
        self._loaded = asyncio.Event()

    async def order(self, method: str, **given: Any) -> dict[str, Any]:
        """Send one command of the protocol and return its answer."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": given})
        while True:
            message = await self._socket.receive_json()
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    async def open(self, path: Path) -> None:
        """Open a file by a file:// address and wait until it is there."""
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            await self.order(f"{domain}.enable")
        await self.order("Page.navigate", url=path.as_uri())
        while not self._loaded.is_set():
            self._note(await self._socket.receive_json())

    async def run(self, expression: str) -> Any:
        """The value of an expression in the page; a promise is awaited."""
        answer = await self.order("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def choose(self, selector: str, path: Path) -> None:
        """Choose a file in a file input."""
        root = (await self.order("DOM.getDocument"))["root"]["nodeId"]
        node = (await self.order("DOM.querySelector", nodeId=root, selector=selector))["nodeId"]
        await self.order("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    async def look(self, width: int, height: int, *, dark: bool = False) -> bytes:
        """A picture (PNG) of the page in a window of this size."""
        await self.order(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.order("Emulation.setEmulatedMedia", features=scheme)
        return base64.b64decode((await self.order("Page.captureScreenshot"))["data"])

    def _note(self, message: dict[str, Any]) -> None:
        method, given = message.get("method"), message.get("params", {})
        if method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Runtime.exceptionThrown":
            self.problems.append(str(given["exceptionDetails"]))
        elif method == "Log.entryAdded":
            self.problems.append(given["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])


@asynccontextmanager
async def chromium(folder: Path) -> AsyncIterator[Page]:
    """Start Chromium with a fresh profile below `folder`, give one tab, and stop it."""
    profile = folder / "profile"
    flags = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-dev-shm-usage",
    ]
    process = await asyncio.create_subprocess_exec(
        need("chromium"), *flags, f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        port = await _port(profile / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                tabs = [one for one in await answer.json() if one["type"] == "page"]
            async with session.ws_connect(tabs[0]["webSocketDebuggerUrl"], max_msg_size=MESSAGE_BYTES_MAX) as socket:
                yield Page(socket)
    finally:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 20)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _port(file: Path) -> int:
    async with asyncio.timeout(START_SECONDS):
        while not (file.is_file() and file.read_text().count("\n")):
            await asyncio.sleep(0.05)
    return int(file.read_text().split("\n")[0])
