"""The HTTP proxy that the environment names, for servers on the internet.

Looked up here, because aiohttp's `trust_env` would also put a login from `.netrc` into the request.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from anyclaude.errors import UpstreamUnreachable


def proxy_for(url: str) -> str | None:
    """The proxy for a `https` address: HTTPS_PROXY, or else ALL_PROXY, unless NO_PROXY names the host (or host:port).

    Raises UpstreamUnreachable for one that is no HTTP proxy.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or proxy_bypass(f"{parts.hostname}:{parts.port or 443}"):
        return None
    proxies = getproxies()
    proxy = proxies.get("https") or proxies.get("all")
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        raise UpstreamUnreachable("HTTPS_PROXY must be the http:// address of a proxy; other kinds are not spoken")
    return proxy


@contextmanager
def proxied() -> Iterator[None]:
    """A proxy's own failures, told as such. Its address may hold a password, so that it is not repeated."""
    try:
        yield
    except aiohttp.ClientProxyConnectionError as error:
        raise UpstreamUnreachable("nothing answers at the proxy that HTTPS_PROXY names; check that address") from error
    except aiohttp.ClientHttpProxyError as error:
        raise UpstreamUnreachable(
            f"the proxy that HTTPS_PROXY names answered with status {error.status}; check its login and its rules, "
            "or name this host in NO_PROXY"
        ) from error
