"""Upstreams: how each one is reached. The only package that knows httpx."""
