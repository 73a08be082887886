"""Settings files that are broken, each with the sentence that tells the person what to mend.

`hunter2` in a file is a secret: no sentence repeats it.
"""

import json
from dataclasses import dataclass
from typing import Final

SECRET: Final = "hunter2"


@dataclass(frozen=True)
class Broken:
    """told: what the sentence says behind the name of the file."""

    text: str
    told: str

    def fault_of(self, told: str, label: str) -> str | None:
        """What is wrong with what was told on stderr; None where it is as it should be. label: the file's name."""
        if not told.startswith(f"anyclaude: {label}"):
            return f"the file is not named: {told!r}"
        if not told.endswith("\n") or not told[:-1].isprintable():
            return f"not one line: {told!r}"
        if SECRET in told:
            return f"it repeats a secret: {told!r}"
        return None if self.told in told else f"not told {self.told!r}: {told!r}"


def _nodes(*nodes: object, **discovery: object) -> str:
    return json.dumps({"discovery": {"nodes": nodes, **discovery}})


_A: Final = {"id": "a", "url": "http://a"}

SETTINGS: Final = (
    Broken("", "is not JSON: line 1, column 1: Expecting value"),
    Broken('{"backend": "lmstudio",\n  "port": }', "is not JSON: line 2, column 11: Expecting value"),
    Broken("{'port': 1}", "is not JSON: line 1, column 2: "),
    Broken("[]", "must hold a JSON object"),
    Broken("null", "must hold a JSON object"),
    Broken('{"port": 1, "port": 2}', "is not plain JSON: the key port is there twice"),
    Broken('{"port": NaN}', "is not plain JSON: NaN is not a number"),
    Broken('{"port": ' + "9" * 5000 + "}", "is not plain JSON: it has a number that is too long"),
    Broken("[" * 100_000, "is nested too deeply"),
    Broken('{"prot": 1}', "prot is not a known key; did you mean port?"),
    Broken('{"mode": "claude"}', "mode is not a known key; did you mean backend?"),
    Broken('{"home": "/tmp"}', "home cannot be set in a file"),
    Broken('{"zzz": 1}', "zzz is not a known key; known here are backend, port, "),
    Broken(
        '{"backends": {"lmstudio": {"base_url": "x"}}}',
        "backends.lmstudio.base_url is not a known key; did you mean ba",
    ),
    Broken(
        '{"backends": {"lmstudio": {"baseURL": "x"}}}',
        "backends.lmstudio.baseURL is not a known key; did you mean base",
    ),
    Broken('{"backends": {"mlx_cluster": {}}}', "backends.mlx_cluster is not a known key; did you mean mlx-cluster?"),
    Broken('{"backends": []}', "backends must be a JSON object"),
    Broken('{"backends": {"lmstudio": "hunter2"}}', "backends.lmstudio must be a JSON object"),
    Broken('{"backend": "gpt"}', "backend must be one of claude, lmstudio, openrouter, mlx-cluster, not 'gpt'"),
    Broken('{"backend": null}', "backend must be one of"),
    Broken('{"port": "8080"}', "port must be a whole number from 0 to 65535"),
    Broken('{"port": 70000}', "port must be a whole number from 0 to 65535 (0 picks a free port), not 70000"),
    Broken('{"debug": 4}', "debug must be a whole number from 0 (off) to 3 (traces), not 4"),
    Broken('{"proxyOnly": "no"}', "proxyOnly must be true or false"),
    Broken('{"traces": {"maxDays": 0}}', "traces.maxDays must be greater than 0, not 0"),
    Broken('{"models": {"opus": 1}}', "models.opus must be a string"),
    Broken(
        '{"backends": {"lmstudio": {"filterTier": "max"}}}', "backends.lmstudio.filterTier must be 'auto', 'minimal'"
    ),
    Broken('{"backends": {"lmstudio": {"apiKey": 5}}}', "backends.lmstudio.apiKey must be a string"),
    Broken('{"backends": {"lmstudio": {"fallback": "m"}}}', "backends.lmstudio.fallback must be a list"),
    Broken(
        '{"backends": {"lmstudio": {"baseUrl": "hunter2"}}}', "backends.lmstudio.baseUrl must be an http:// or https://"
    ),
    Broken('{"backends": {"openrouter": {"provider": []}}}', "backends.openrouter.provider must be a JSON object"),
    Broken(
        '{"backends": {"mlx-cluster": {"nodes": []}}}', "nodes is not a known key any more; it is discovery.nodes now"
    ),
    Broken('{"profiles": {"m": {"contextWindow": 0}}}', "profiles: m, contextWindow must be greater than 0"),
    Broken(json.dumps({"\x1b[2J\r\nport\u202e": 1}), "is not a known key"),
    Broken(json.dumps({"x" * 5000: 1}), f"{'x' * 60}... is not a known key"),
    Broken('{"backends": ' * 40 + "1" + "}" * 40, "is not a known key"),
)

CLUSTER: Final = (
    Broken("", "is not JSON: line 1, column 1: Expecting value"),
    Broken('{"routing": {', "is not JSON: line 1, column 14: "),
    Broken("[]", 'must hold a JSON object, as in {"discovery": {"nodes": []}}'),
    Broken("7", "must hold a JSON object"),
    Broken('{"cache": {}, "cache": {}}', "is not plain JSON: the key cache is there twice"),
    Broken('{"cache": {"minCacheHitRate": Infinity}}', "is not plain JSON: Infinity is not a number"),
    Broken('{"discovry": {}}', "discovry is not a known key; did you mean discovery?"),
    Broken('{"backends": {}}', "backends is not a known key; known here are discovery, routing, health, cache"),
    Broken('{"nodes": []}', "nodes is not a known key any more; it is discovery.nodes now"),
    Broken('{"routing": []}', "routing must be a JSON object"),
    Broken('{"discovery": "static"}', "discovery must be a JSON object"),
    Broken('{"discovery": {"mode": "multicast"}}', "discovery.mode must be one of static, dns, mdns, not 'multicast'"),
    Broken('{"discovery": {"found_by": "dns"}}', "discovery.found_by is not a known key; did you mean mode?"),
    Broken('{"discovery": {"nodes": {}}}', "discovery.nodes must be a list"),
    Broken('{"discovery": {"nodes": null}}', "discovery.nodes must be a list"),
    Broken(
        '{"discovery": {"key": "hunter2"}}', "discovery.key must be at least 16 characters, the same as the workers'"
    ),
    Broken('{"discovery": {"key": 5}}', "discovery.key must be a string"),
    Broken(_nodes("http://a"), "discovery.nodes: entry 1 must be a JSON object"),
    Broken(_nodes({"id": "a"}), "discovery.nodes: entry 1, url is missing"),
    Broken(_nodes({"url": "http://a"}), "discovery.nodes: entry 1, id is missing"),
    Broken(_nodes(_A, {"id": "", "url": "http://b"}), "discovery.nodes: entry 2, id must be 1 to 64 letters, digits"),
    Broken(_nodes({"id": "a\nb", "url": "http://b"}), "discovery.nodes: entry 1, id must be 1 to 64 letters, digits"),
    Broken(_nodes({"id": 1, "url": "http://b"}), "discovery.nodes: entry 1, id must be a string"),
    Broken(_nodes({**_A, "url": "gpu1:8081"}), "entry 1, url must be a http:// or https:// URL"),
    Broken(_nodes({**_A, "url": "http://a:99999"}), "entry 1, url must have a port from 1 to 65535, or none"),
    Broken(_nodes({**_A, "url": "http://me:hunter2@a"}), "entry 1, url must be the address alone: no login"),
    Broken(_nodes({**_A, "url": "http://a?hunter2"}), "entry 1, url must be the address alone: no login"),
    Broken(_nodes({**_A, "baseUrl": "http://a"}), "entry 1, baseUrl is not a known key"),
    Broken(_nodes({**_A, "token": ["hunter2"]}), "entry 1, token must be a string"),
    Broken(
        _nodes(_A, {**_A, "url": "http://b"}),
        "discovery.nodes must not repeat itself: entries 1 and 2 have the same id",
    ),
    Broken(_nodes(_A, {"id": "b", "url": "http://a/v1/"}), "must not repeat itself: entries 1 and 2 have the same url"),
    Broken(_nodes(*({"id": f"n{n}", "url": f"http://n{n}"} for n in range(257))), "nodes must hold at most 256 nodes"),
    Broken(_nodes({"id": "a", "url": "https://a"}, mode="dns"), "discovery.nodes must have http:// URLs with mode dns"),
    Broken(
        '{"routing": {"strategy": "random"}}', "routing.strategy must be one of round-robin, least-loaded, cache-aware"
    ),
    Broken('{"routing": {"maxRetries": -1}}', "routing.maxRetries must be greater than or equal to 0, not -1"),
    Broken('{"routing": {"maxRetries": 11}}', "routing.maxRetries must be less than or equal to 10, not 11"),
    Broken('{"routing": {"maxRetries": "2"}}', "routing.maxRetries must be a whole number"),
    Broken('{"routing": {"max_retries": 2}}', "routing.max_retries is not a known key; did you mean maxRetries?"),
    Broken(
        '{"health": {"checkIntervalMs": 99}}', "health.checkIntervalMs must be a whole number of milliseconds from 100"
    ),
    Broken('{"health": {"timeoutMs": 1.5}}', "health.timeoutMs must be a"),
    Broken(
        '{"health": {"maxConsecutiveFailures": 0}}', "health.maxConsecutiveFailures must be greater than or equal to 1"
    ),
    Broken(
        '{"health": {"unhealthyThreshold": 50}}', "health.unhealthyThreshold must be less than or equal to 1, not 50"
    ),
    Broken('{"cache": {"minCacheHitRate": 1.1}}', "cache.minCacheHitRate must be less than or equal to 1, not 1.1"),
    Broken('{"cache": {"maxCacheAgeSec": 0}}', "cache.maxCacheAgeSec must be greater than or equal to 1, not 0"),
    Broken('{"cache": {"maxCacheSizeTokens": true}}', "cache.maxCacheSizeTokens must be a whole number"),
)
