"""A program in the role of mlx_worker, run as `python -c PROGRAM WORD` by the launcher's tests.

`serve` says progress, listens and waits for its standard input to end; `deaf` listens, and only a kill ends it;
`refuse` says why and ends with 2; `silent` ends without a word. Each writes its process id to the file PIDS first.
"""

PROGRAM = r"""
import os, signal, subprocess, sys, time
word = sys.argv[1]
with open(os.environ["PIDS"], "w") as pids:
    print(os.getpid(), file=pids)
if word == "silent":
    sys.exit(9)
if word == "refuse":
    sys.exit(print("model: looking", "mlx_worker: no such model", sep="\n", file=sys.stderr) or 2)
sys.stderr.write("model: fetching\rFetching 3 files:  33%|###   |\rnoise\nmodel: loading\n")
sys.stderr.flush()
if word == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    grandchild = subprocess.Popen(["sleep", "600"])
    with open(os.environ["PIDS"], "a") as pids:
        print(grandchild.pid, file=pids)
print(os.environ["MLX_WORKER_TOKEN"], os.environ.get("LMSTUDIO_API_KEY"), file=sys.stderr, flush=True)
print("something else\nmlx_worker listening on http://127.0.0.1:1234", flush=True)
if word == "serve":
    sys.stdin.read()
else:
    while True:
        signal.pause()
"""
