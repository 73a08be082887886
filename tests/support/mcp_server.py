"""A small MCP server on standard input and output: one tool, which counts what is in stock.

    python mcp_server.py JOURNAL

The journal is there once the tool was listed; each call is written into it, one line of JSON. The protocol: https://modelcontextprotocol.io/specification
"""

import json
import sys
from pathlib import Path
from typing import Any

SERVER = "stock"
TOOL = f"mcp__{SERVER}__count"
"""How Claude Code names the tool."""

_COUNT = {
    "name": "count",
    "description": "Counts how many of a thing are in stock.",
    "inputSchema": {"type": "object", "properties": {"thing": {"type": "string"}}, "required": ["thing"]},
}


def configuration(journal: Path) -> str:
    """For Claude Code's `--mcp-config`."""
    return json.dumps({"mcpServers": {SERVER: {"command": sys.executable, "args": [__file__, str(journal)]}}})


def main(journal: str) -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        if "id" in asked:
            answer = {"jsonrpc": "2.0", "id": asked["id"], **_answered(asked, Path(journal))}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


def _answered(asked: dict[str, Any], journal: Path) -> dict[str, Any]:
    match asked["method"]:
        case "initialize":
            return {"result": _welcome(asked["params"]["protocolVersion"])}
        case "tools/list":
            journal.touch()
            return {"result": {"tools": [_COUNT]}}
        case "tools/call":
            given = asked["params"]["arguments"]
            with journal.open("a") as lines:
                lines.write(json.dumps(given) + "\n")
            return {"result": {"content": [{"type": "text", "text": f"7 {given['thing']}"}]}}
        case "ping":
            return {"result": {}}
    return {"error": {"code": -32601, "message": "no such method"}}


def _welcome(version: str) -> dict[str, Any]:
    return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {"name": SERVER, "version": "1"}}


if __name__ == "__main__":
    main(sys.argv[1])
