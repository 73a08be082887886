"""mlx_worker: an OpenAI-compatible server that runs mlx-lm with batching and a prefix cache, one on each Mac."""
