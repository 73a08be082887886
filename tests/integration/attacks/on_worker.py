"""What is sent to a worker: to one on loopback without a token, and to one that other machines reach with theirs."""

import gzip
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.integration.attacks.request import Attack, Server, http
from tests.integration.attacks.smuggled import SMUGGLED

ASKED: Final[Mapping[str, Any]] = {
    "model": "current-model",
    "messages": [{"role": "user", "content": "Hi"}],
    "max_tokens": 1,
}
BODY: Final = json.dumps(ASKED).encode()
HOST: Final = {"Host": "127.0.0.1:PORT"}
JSON: Final = {"Content-Type": "application/json"}
GOOD: Final = HOST | JSON

_COMPLETIONS: Final = "/v1/chat/completions"


def _post(
    rule: str, name: str, headers: Mapping[str, str], *refused: int, at: Server = "worker", body: bytes = BODY
) -> Attack:
    return Attack(rule, name, at, http("POST", _COMPLETIONS, headers, body), refused)


def _get(rule: str, name: str, path: str, *refused: int, at: Server = "worker", method: str = "GET") -> Attack:
    return Attack(rule, name, at, http(method, path, HOST, length=False), refused)


def _pages() -> Iterator[Attack]:
    hosts = (
        "evil.example",
        "127.0.0.1.evil.example:PORT",
        "127.0.0.1@evil.example",
        "2130706433",
        "[::ffff:7f00:1]",
        "0.0.0.0",
        "",
    )
    for host in hosts:
        yield _post("S2", f"Host is {host or 'nothing'}", JSON | {"Host": host}, 400, 403)
    yield _post("S2", "no Host", JSON, 400, 403)
    for order in (("127.0.0.1", "evil.example"), ("evil.example", "127.0.0.1")):
        headers = [("Host", host) for host in order]
        yield Attack(
            "S2", f"Hosts {order}", "worker", http("POST", _COMPLETIONS, [*headers, *JSON.items()], BODY), (400, 403)
        )
    for server in ("worker", "guarded worker"):
        at: Server = "worker" if server == "worker" else "guarded worker"
        right = GOOD | {"Authorization": "Bearer TOKEN"}
        yield _post("S3", "Origin of a page", right | {"Origin": "https://evil.example"}, 403, at=at)
        yield _post("S3", "Origin null", right | {"Origin": "null"}, 403, at=at)
        yield _post("S3", "cross-site", right | {"Sec-Fetch-Site": "cross-site"}, 403, at=at)
        yield _post("S3", "a form", right | {"Content-Type": "text/plain"}, 415, at=at)
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    yield Attack("S3", "a preflight", "worker", http("OPTIONS", _COMPLETIONS, HOST | asked), (403,))
    yield _get("S3", "an answer by GET", _COMPLETIONS, 405)


def _tokens() -> Iterator[Attack]:
    credentials: Mapping[str, dict[str, str]] = {
        "missing": {},
        "wrong": {"Authorization": "Bearer nope"},
        "wrong and of the right length": {"Authorization": "Bearer SPOILT"},
        "the token's beginning": {"Authorization": "Bearer BEGINNING"},
        "token and more": {"Authorization": "Bearer TOKENx"},
        "very long": {"Authorization": "Bearer " + "TOKEN" * 150},
        "empty": {"Authorization": "Bearer "},
        "of another scheme": {"Authorization": "Basic TOKEN"},
        "in bytes that are no text": {"x-api-key": "\u00fc\u00ff"},
        "in a cookie": {"Cookie": "token=TOKEN"},
    }
    for name, credential in credentials.items():
        yield _post("S12", f"token {name}", GOOD | credential, 401, at="guarded worker")
    for path in (
        "/v1/models",
        "/metrics",
        "/cache",
        "/docs",
        "/openapi.json",
        "/health/",
        "/HEALTH",
        "//health",
        "/nothing",
    ):
        yield _get("S12", f"no token at {path}", path, 401, at="guarded worker")
    yield _get("S12", "the cache emptied without a token", "/cache", 401, at="guarded worker", method="DELETE")
    for path in ("/cache/warm", "/tokenize"):
        sent = http("POST", path, GOOD, b'{"text":"Hi"}')
        yield Attack("S12", f"work at {path} without a token", "guarded worker", sent, (401,))
    guess = http("POST", "/cluster/proof?nonce=00", HOST)
    yield Attack("S15", "a proof for a nonce of another form", "guarded worker", guess, (400,))
    plain = http("POST", f"/cluster/proof?nonce={'0' * 64}", HOST)
    yield Attack("S15", "a proof from a worker without a key", "worker", plain, (404,))


NAMES: Final = (
    "../../../etc/passwd",
    "/etc/passwd",
    "~/.ssh/id_rsa",
    "..\\..\\windows",
    "file:///etc/passwd",
    "https://evil.example/model",
    "evil/repository",
    "evil/repository@main",
    "current-model/../../etc",
    "a\0b",
    "\x1b[2J\x1b]0;x\x07",
    "%2e%2e%2fetc",
    "$(id)",
    "x" * 100_000,
)


def _models() -> Iterator[Attack]:
    for name in NAMES:
        body = json.dumps({**ASKED, "model": name}).encode()
        yield _post("S13", f"the model {name[:30]!r}", GOOD, 404, body=body)
    for path in ("../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%00", "evil/repository", "%2fetc%2fpasswd"):
        yield _get("S13", f"the path of a model {path}", f"/v1/models/{path}", 404)
    for field in ("draft_model", "model_path", "adapter_path", "trust_remote_code", "adapters"):
        body = json.dumps({**ASKED, "model": "evil/repository", field: "/tmp/evil"}).encode()
        yield _post("S14", f"another model by {field}", GOOD, 404, body=body)
    for path in ("/v1/models/load", "/v1/load", "/api/pull", "/v1/completions", "/shutdown", "/v1/files"):
        yield Attack("S13", f"to load by {path}", "worker", http("POST", path, GOOD, BODY), (404, 405))


_READ_BY_THEIR_MEANING: Final = ("two equal lengths", "a folded header", "bare LF as line ends")
"""RFC 9112 (6.3, 5.2, 2.2) lets a server read these as what they mean; h11 does. Then they are one plain request, here
for a model that is not served."""


def _smuggling() -> Iterator[Attack]:
    for name, sent in SMUGGLED.items():
        there = sent.replace(b"/v1/messages", b"/v1/chat/completions")
        if name in _READ_BY_THEIR_MEANING:
            there = there.replace(
                b"Host:", b"Connection: close\nHost:" if b"\r" not in there else b"Connection: close\r\nHost:", 1
            )
            yield Attack("S9", name, "worker", there, (404,))
        else:
            yield Attack("S9", name, "worker", there, (400, 403, 405, 505))


def _bodies() -> Iterator[Attack]:
    zeros = gzip.compress(b'{"a":"' + b"0" * (64 << 20) + b'"}', 1)
    yield _post("S18", "64 MB in gzip", GOOD | {"Content-Encoding": "gzip"}, 400, 415, body=zeros)
    deep = b'{"model":"m","messages":[{"role":"user","content":%s}]}'
    yield _post("S18", "100,000 lists in each other", GOOD, 400, body=deep % (b"[" * 100_000 + b"]" * 100_000))
    yield _post(
        "S18", "100,000 objects in each other", GOOD, 400, body=deep % (b'{"a":' * 100_000 + b"1" + b"}" * 100_000)
    )
    wide = [{"role": "user", "content": "x"}] * 2
    for name, digits in (("max_tokens", "9" * 5000), ("seed", "9" * 400), ("top_k", "-" + "9" * 5000)):
        body = BODY[:-1] + f', "{name}": {digits}}}'.encode()
        yield _post("S18", f"{name} of {len(digits)} signs", GOOD, 400, body=body)
    yield _post("S18", "NaN", GOOD, 400, body=BODY[:-1] + b', "temperature": NaN}')
    yield _post("S18", "a lone surrogate", GOOD, 400, body=BODY.replace(b"Hi", b"\\ud800"))
    yield _post("S18", "half a character", GOOD, 400, body=BODY.replace(b"Hi", b"\xc3"))
    yield _post("S18", "an empty body", GOOD, 400, body=b"")
    yield _post("S18", "a body that is a list", GOOD, 400, body=json.dumps(wide).encode())
    yield _post("S18", "an image from elsewhere", GOOD, 400, body=_image("http://169.254.169.254/latest/meta-data"))
    yield _post("S18", "an image of this machine", GOOD, 400, body=_image("file:///etc/passwd"))
    many = [*GOOD.items(), *((f"X-{number}", "a" * 100) for number in range(20_000))]
    yield Attack("S18", "20,000 headers", "worker", http("POST", _COMPLETIONS, many, BODY), (400, 431))
    announced = http("POST", _COMPLETIONS, GOOD | {"Content-Length": str(1 << 40)}, BODY)
    yield Attack("S18", "a terabyte announced", "worker", announced, (413,))


def _image(url: str) -> bytes:
    content = [{"type": "image_url", "image_url": {"url": url}}]
    return json.dumps({**ASKED, "messages": [{"role": "user", "content": content}]}).encode()


def on_worker() -> list[Attack]:
    return [*_pages(), *_tokens(), *_models(), *_smuggling(), *_bodies()]
