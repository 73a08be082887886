"""Upstreams: how each one is reached. `http` and `raw` open the connections."""
