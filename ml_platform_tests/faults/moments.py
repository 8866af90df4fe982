"""The moments at which a process is about to change something that stays, each of which may be its last."""

import os
import signal
import traceback
from collections.abc import Callable
from types import ModuleType

Call = tuple[ModuleType, str]  # a function and where it is called from
# It has something put on the disk, gives a file its name, or removes one.
WRITES: tuple[Call, ...] = tuple((os, name) for name in ("fsync", "replace", "rename", "unlink"))


def killed_at(moment: int, act: Callable[[], object], calls: tuple[Call, ...] = WRITES) -> bool:
    """Do it in a process that ends itself before the n-th of these calls; False when it came to its end before."""
    child = os.fork()
    if child == 0:
        try:
            end_at(moment, calls)
            act()
        except BaseException:  # whatever it is must not return into the tests
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status)


def end_at(moment: int, calls: tuple[Call, ...]) -> None:
    """End this process before the n-th of these calls, counted from now on."""
    left = moment

    def counted(call: Callable[..., object]) -> Callable[..., object]:
        def count(*arguments: object, **options: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return count

    for module, name in calls:
        setattr(module, name, counted(getattr(module, name)))  # in this process only
