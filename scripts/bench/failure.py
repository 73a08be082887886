"""The one error of the bench: a sentence for the person who runs it."""


class BenchError(Exception):
    """The bench cannot go on; the message is one sentence."""


def first_of(errors: BaseException) -> BaseException:
    """Of those that ended tasks together, one."""
    while isinstance(errors, BaseExceptionGroup):
        errors = errors.exceptions[0]
    return errors
