"""A bare byte relay on the same libraries as the gateway: what aiohttp costs by itself.

    python relay.py UPSTREAM_URL        prints `listening PORT`, serves until killed

It reads a request, posts the body as it is, and writes each piece of the answer as it comes. It parses nothing.
"""

import asyncio
import sys

import aiohttp
from aiohttp import web

try:
    import uvloop
except ImportError:  # as the gateway: uvloop where it installs
    run = asyncio.run
else:
    run = uvloop.run


def relay_app(upstream: str, client: aiohttp.ClientSession) -> web.Application:
    async def messages(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {"content-type": "application/json"}
        async with client.post(upstream, data=body, headers=headers) as answer:
            response = web.StreamResponse(status=answer.status, headers={"content-type": "text/event-stream"})
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
        return response

    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/v1/messages", messages)
    return app


async def main(upstream: str) -> None:
    async with aiohttp.ClientSession() as client:
        runner = web.AppRunner(relay_app(upstream, client), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(f"listening {runner.addresses[0][1]}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    run(main(sys.argv[1]))
