"""What is sent to the proxy by web pages, other users, and whoever speaks HTTP in odd ways."""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Final

from tests.integration.attacks.request import Attack, http
from tests.integration.attacks.smuggled import SMUGGLED

BODY: Final = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"Hi"}]}'
HOST: Final = {"Host": "127.0.0.1:PORT"}
JSON: Final = {"Content-Type": "application/json"}
RIGHT: Final = {"Authorization": "Bearer TOKEN"} | JSON
GOOD: Final = HOST | RIGHT

_MESSAGES: Final = "/v1/messages"


def _post(rule: str, name: str, headers: Mapping[str, str], *refused: int, target: str = _MESSAGES) -> Attack:
    return Attack(rule, name, "proxy", http("POST", target, headers, BODY), refused)


_HOSTS: Final = {
    "a page's own name": "evil.example:PORT",
    "a page's own name without a port": "evil.example",
    "our address without a port": "127.0.0.1",
    "our address with another port": "127.0.0.1:1",
    "our address with a port that begins like ours": "127.0.0.1:PORT0",
    "our address as the beginning of a name": "127.0.0.1.evil.example:PORT",
    "our name as the end of a name": "evil.localhost:PORT",
    "a trailing dot": "localhost.:PORT",
    "a login before another name": "127.0.0.1:PORT@evil.example",
    "a login before our address": "evil@127.0.0.1:PORT",
    "our address as one number": "2130706433:PORT",
    "our address in octal": "0177.0.0.1:PORT",
    "our address cut short": "127.1:PORT",
    "another loopback address": "127.0.0.2:PORT",
    "all addresses": "0.0.0.0:PORT",
    "our address within IPv6": "[::ffff:127.0.0.1]:PORT",
    "a path behind our address": "127.0.0.1:PORT/evil",
    "two names in one header": "127.0.0.1:PORT, evil.example",
    "a name with a letter that looks like ours": "l\u00f6calhost:PORT",
    "nothing": "",
}


def _rebinding() -> Iterator[Attack]:
    for name, host in _HOSTS.items():
        yield _post("S2", f"Host is {name}", RIGHT | {"Host": host}, 400, 403)
    yield _post("S2", "no Host", RIGHT, 400, 403)
    both = [("Host", "127.0.0.1:PORT"), ("Host", "evil.example"), *RIGHT.items()]
    yield Attack("S2", "two Hosts, ours first", "proxy", http("POST", _MESSAGES, both, BODY), (400, 403))
    both[:2] = both[1::-1]
    yield Attack("S2", "two Hosts, ours last", "proxy", http("POST", _MESSAGES, both, BODY), (400, 403))
    yield _post("S2", "absolute target elsewhere", GOOD, 400, 403, target="http://evil.example/v1/messages")
    yield _post("S2", "absolute target over TLS", GOOD, 400, 403, target="https://evil.example/v1/messages")
    yield _post(
        "S2", "absolute target with a login", GOOD, 400, 403, target="http://127.0.0.1:PORT@evil.example/v1/messages"
    )
    ours = "http://127.0.0.1:PORT/v1/messages"
    yield _post("S2", "absolute target is ours, Host is not", RIGHT | {"Host": "evil.example"}, 400, 403, target=ours)
    forwarded = RIGHT | {
        "Host": "evil.example:PORT",
        "X-Forwarded-Host": "127.0.0.1:PORT",
        "Forwarded": "host=127.0.0.1:PORT",
    }
    yield _post("S2", "our address where a reverse proxy would put it", forwarded, 403)
    head = http("HEAD", "/", {"Host": "evil.example:PORT"}, length=False)
    yield Attack("S2", "the pre-connect under another name", "proxy", head, (403,))
    old = b"POST /v1/messages HTTP/1.0\r\nAuthorization: Bearer TOKEN\r\nContent-Length: 2\r\n\r\n{}"
    yield Attack("S2", "HTTP/1.0 without a Host", "proxy", old, (400, 403))
    tunnel = http("CONNECT", "evil.example:443", GOOD, length=False)
    yield Attack("S2", "a tunnel elsewhere", "proxy", tunnel, (400, 403, 404, 405))


def _pages() -> Iterator[Attack]:
    for origin in ("https://evil.example", "null", "http://127.0.0.1:PORT", "http://localhost:PORT", "file://", ""):
        yield _post("S3", f"Origin is {origin or 'empty'}", GOOD | {"Origin": origin}, 403)
    for site in ("cross-site", "same-site", "Cross-Site", "cross-site, none"):
        yield _post("S3", f"Sec-Fetch-Site is {site}", GOOD | {"Sec-Fetch-Site": site}, 403)
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    yield Attack("S3", "a preflight", "proxy", http("OPTIONS", _MESSAGES, HOST | asked), (403,))
    bare = {"Access-Control-Request-Method": "POST"}
    yield Attack("S3", "a preflight without Origin", "proxy", http("OPTIONS", _MESSAGES, HOST | bare), (401,))
    forms = (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; charset=application/json",
        "text/json",
        "",
    )
    for form in forms:
        yield _post("S3", f"a body of type {form or 'nothing'}", GOOD | {"Content-Type": form}, 400)
        yield _post(
            "S3",
            f"the same to count: {form or 'nothing'}",
            GOOD | {"Content-Type": form},
            400,
            target="/v1/messages/count_tokens",
        )
    for path in ("/health", "/metrics", "/anyclaude/status", "/v1/models", "/v1/messages"):
        yield Attack("S3", f"a picture from {path}", "proxy", http("GET", path, HOST, length=False), (401,))
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade, close",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "x" * 22 + "==",
    }
    yield Attack(
        "S3",
        "a websocket of a page",
        "proxy",
        http("GET", "/v1/messages", HOST | upgrade | {"Origin": "https://evil.example"}),
        (403,),
    )


_CREDENTIALS: Final[Mapping[str, dict[str, str]]] = {
    "missing": {},
    "wrong": {"Authorization": "Bearer nope"},
    "wrong and of the right length": {"Authorization": "Bearer SPOILT"},
    "empty": {"Authorization": "Bearer "},
    "only the scheme": {"Authorization": "Bearer"},
    "of another scheme": {"Authorization": "Basic TOKEN"},
    "without a scheme": {"Authorization": "TOKEN"},
    "and more": {"Authorization": "Bearer TOKENx"},
    "twice": {"Authorization": "Bearer TOKENTOKEN"},
    "quoted": {"Authorization": 'Bearer "TOKEN"'},
    "very long": {"Authorization": "Bearer " + "TOKEN" * 150},
    "in bytes that are no text": {"Authorization": "Bearer \u00fc\u00ff"},
    "in a cookie": {"Cookie": "token=TOKEN; x-api-key=TOKEN"},
    "in a header for proxies": {"Proxy-Authorization": "Bearer TOKEN"},
    "wrong in x-api-key": {"x-api-key": "TOKENx"},
    "wrong in our own header": {"x-anyclaude-token": "TOKENx"},
    "as a list in x-api-key": {"x-api-key": "nope, TOKEN"},
}


def _tokens() -> Iterator[Attack]:
    for name, credential in _CREDENTIALS.items():
        yield _post("S4", f"token {name}", HOST | JSON | credential, 401)
    yield _post("S4", "the token's beginning", HOST | JSON | {"Authorization": "Bearer BEGINNING"}, 401)
    yield _post("S4", "token in the query", HOST | JSON, 401, target=f"{_MESSAGES}?token=TOKEN&x-api-key=TOKEN")
    login = "http://x:TOKEN@127.0.0.1:PORT/v1/messages"
    yield _post("S4", "token as a login in the target", HOST | JSON, 400, 401, 403, target=login)
    for path in ("/", "/nothing", "/v1/files", "/api/oauth/token", "/V1/MESSAGES", "//v1/messages", "/v1/../health"):
        yield Attack("S4", f"no token at {path}", "proxy", http("GET", path, HOST, length=False), (401,))
    yield Attack("S4", "HEAD elsewhere without a token", "proxy", http("HEAD", "/health", HOST, length=False), (401,))


def _smuggling() -> Iterator[Attack]:
    for name, sent in SMUGGLED.items():
        yield Attack("S9", name, "proxy", sent, (400, 403, 505))


def _paths() -> Iterator[Attack]:
    names = (
        "../../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "%00",
        "/etc/passwd",
        "file:%2f%2f%2fetc%2fpasswd",
    )
    for name in names:
        yield Attack(
            "S13", f"the model {name}", "proxy", http("GET", f"/v1/models/{name}", GOOD, length=False), (400, 404)
        )
    split = "/v1/models/x%0d%0aX-Evil:%201"
    yield Attack("S9", "an encoded line end in a path", "proxy", http("GET", split, GOOD, length=False), (404,))


def _bodies() -> Iterator[Attack]:
    """What is more than it looks."""
    zeros = b'{"a":"' + b"0" * (80 << 20) + b'"}'
    packed = gzip.compress(zeros, 1)
    for coding, content in (("gzip", packed), ("deflate", zlib.compress(zeros, 1))):
        sent = http("POST", _MESSAGES, GOOD | {"Content-Encoding": coding}, content)
        yield Attack("S18", f"80 MB in {len(content) >> 10} KB of {coding}", "proxy", sent, (400, 413, 415))
    for coding in ("gzip, gzip", "br", "zstd", "compress", "rot13"):
        sent = http("POST", _MESSAGES, GOOD | {"Content-Encoding": coding}, gzip.compress(BODY))
        yield Attack("S18", f"a body in {coding}", "proxy", sent, (400, 415))
    message = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":%s}]}'
    bombs = {
        "100,000 lists in each other": message % (b"[" * 100_000 + b"]" * 100_000),
        "100,000 objects in each other": message % (b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
        "a number of a million digits": BODY.replace(b":1,", b":" + b"9" * 1_000_000 + b",", 1),
        "a number of 5,000 digits": BODY.replace(b":1,", b":" + b"9" * 5_000 + b",", 1),
        "a number beyond all floats": BODY.replace(b":1,", b":1e999999,", 1),
        "NaN": BODY.replace(b":1,", b":NaN,", 1),
        "half a character": BODY.replace(b"Hi", b"\xc3"),
        "a body that is a list": b"[" + BODY + b"]",
        "an empty body": b"",
        "a body that is cut": BODY[:-10],
    }
    for name, content in bombs.items():
        yield Attack("S18", name, "proxy", http("POST", _MESSAGES, GOOD, content), (400, 413))
    announced = http("POST", _MESSAGES, GOOD | {"Content-Length": str(1 << 40)}, BODY)
    yield Attack("S18", "a terabyte announced", "proxy", announced, (413,))
    many = [*GOOD.items(), *((f"X-{number}", "a" * 100) for number in range(20_000))]
    yield Attack("S18", "20,000 headers", "proxy", http("POST", _MESSAGES, many, BODY), (400, 431))
    yield _post("S18", "a header of 100 KB", GOOD | {"X-A": "a" * 100_000}, 400, 431)
    yield Attack("S18", "a target of 100 KB", "proxy", http("GET", "/" + "a" * 100_000, GOOD, length=False), (400, 414))
    tools = {"model": "m", "max_tokens": 1, "messages": [], "tools": [{"name": "x"}] * 3}
    yield Attack("S18", "no messages", "proxy", http("POST", _MESSAGES, GOOD, json.dumps(tools).encode()), (400,))


def on_proxy() -> list[Attack]:
    return [*_rebinding(), *_pages(), *_tokens(), *_smuggling(), *_paths(), *_bodies()]
