"""A program in the role of claude, which does what its last arguments say and tells about it line by line.

`stub_claude(folder)` writes it there and returns its path. Its words: `exit N`, `die SIGNAME`, `show` (arguments,
environment, terminal as one JSON line), `crash SIGNAME` (raw mode, then that signal), `mess N` (raw mode, then exit N),
`listen` (says `ready PID`, then every signal that it gets; SIGTERM ends it with 7), `stubborn` (as `listen`, but no
signal ends it), `strike SIGNAME` (that signal to whoever started it, at once; then it waits for one itself).
"""

import sys
from pathlib import Path

_PROGRAM = """
import json, os, select, signal, sys, tty

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

def show():
    terminal = os.isatty(0) and list(os.get_terminal_size(0))
    descriptors = sorted(int(name) for name in os.listdir("/dev/fd"))[:-1]
    shown = {"argv": sys.argv[1:], "environ": dict(os.environ), "terminal": terminal, "group": os.getpgrp(),
             "parent": os.getppid(), "descriptors": descriptors}
    say(json.dumps(shown))

def listen(ends):
    def hear(number, frame):
        say("got", signal.Signals(number).name)
        if number == signal.SIGTERM and ends:
            os._exit(7)
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGWINCH, signal.SIGCONT):
        signal.signal(number, hear)
    rung, bell = os.pipe()  # a signal between two system calls must not wait for the next key
    os.set_blocking(bell, False)
    signal.set_wakeup_fd(bell)
    say("ready", os.getpid())
    sources = [0, rung]
    while True:
        ready = select.select(sources, [], [])[0]
        if rung in ready:
            os.read(rung, 64)
        if 0 in ready:
            text = typed()
            if not text:
                sources.remove(0)
            for line in text.splitlines():
                say("read", line.strip())
                if line.strip() == "bye":
                    sys.exit(5)

def typed():
    try:
        return os.read(0, 4096).decode()
    except OSError:  # the terminal is gone
        return ""

def mess():
    tty.setraw(0)
    os.write(1, b"\\x1b[?25lraw\\r\\n")

words = ("exit", "die", "show", "crash", "mess", "listen", "stubborn", "strike")
word = next(w for w in sys.argv[1:] if w in words)
last = sys.argv[-1]
if word == "exit":
    sys.exit(int(last))
elif word == "die":
    os.kill(os.getpid(), signal.Signals[last])
elif word == "show":
    show()
elif word == "crash":
    mess()
    os.kill(os.getpid(), signal.Signals[last])
elif word == "mess":
    mess()
    sys.exit(int(last))
elif word == "strike":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getppid(), signal.Signals[last])
    signal.pause()
else:
    listen(word == "listen")
"""


def stub_claude(folder: Path) -> str:
    """Write it as an executable file `claude`."""
    path = folder / "claude"
    path.write_text(f"#!{sys.executable} -I\n{_PROGRAM}")
    path.chmod(0o755)
    return str(path)
