"""The prompt chain: what Claude Code says to a model, made fit for a smaller one. Pure."""
