"""Child processes: Claude Code itself and a local worker. The only package that knows processes and signals."""
