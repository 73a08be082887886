"""One worker over several machines: a model too big for one of them is split, and one program runs on each part.

- `hostfile` reads which machines they are, in the format of mlx.launch.
- `supervisor` starts a program (a rank) on each, ends all when one is lost, and starts them again.
- `seat` is how a rank begins: it is told on stdin who it is.
- `leader` is the runner of rank 0, under the whole worker; `follower` repeats what it does on the other parts.
- `channel` carries the leader's calls. mlx itself carries the arrays (`mlx_worker.mlx_distributed`).

mlx.launch is not used: as of mlx 0.32.4 it keeps a processor core busy for as long as it runs (it polls pipes that are
always writable), leaves the ranks behind when it is killed itself, and puts what it hands on into command lines.
"""
