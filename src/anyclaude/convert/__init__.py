"""Wire to wire: Anthropic Messages to OpenAI Chat Completions and back. Pure: no socket, clock, file or environment."""
