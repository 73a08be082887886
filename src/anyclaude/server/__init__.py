"""The HTTP server that Claude Code talks to. The only package that knows aiohttp."""
