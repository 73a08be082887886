"""A shell with one job, for tests: on a fresh pseudo-terminal it does what a shell does for job control.

    python job_shell.py REPORTS ORDERS COMMAND...

It makes the terminal (its descriptor 0) its own, starts the command in a process group of its own in the foreground,
and says on the descriptor REPORTS what becomes of it: `stopped`, `exited N`, `killed N`. `fg` on the descriptor ORDERS
continues a stopped job.
"""

import fcntl
import os
import signal
import sys
import termios


def main() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    reports, orders, *command = sys.argv[1:]
    for descriptor in (int(reports), int(orders)):
        os.set_inheritable(descriptor, False)
    modes = termios.tcgetattr(0)
    job = os.posix_spawn(command[0], command, os.environ, setpgroup=0, setsigdef=[signal.SIGTTOU])
    os.tcsetpgrp(0, job)
    tell(f"job {job}")
    while True:
        _, status = os.waitpid(job, os.WUNTRACED)
        os.tcsetpgrp(0, os.getpgrp())
        if not os.WIFSTOPPED(status):
            break
        tell("stopped")
        if os.read(int(orders), 3) != b"fg\n":
            return
        os.tcsetpgrp(0, job)
        os.killpg(job, signal.SIGCONT)
    tell("modes kept" if termios.tcgetattr(0) == modes else "modes changed")
    code = os.waitstatus_to_exitcode(status)
    tell(f"exited {code}" if code >= 0 else f"killed {-code}")


def tell(words: str) -> None:
    os.write(int(sys.argv[1]), f"{words}\n".encode())


if __name__ == "__main__":
    main()
