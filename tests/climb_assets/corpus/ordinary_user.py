"""Doing something as an ordinary user would, since root may read everything."""

import ctypes
import os
import traceback
from collections.abc import Callable

VERSION = 0x20080522  # of capset(2)'s structures
SET_SECURE_BITS, NO_ROOT = 28, 1  # of prctl(2)


def as_ordinary_user(act: Callable[[], None]) -> None:
    """Run `act` in a child without root's rights over other modes; its failure fails the caller."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            drop_capabilities()
            act()
            code = 0
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def drop_capabilities() -> None:
    """Give up every capability of this process, CAP_DAC_OVERRIDE among them; it may be used as a preexec_fn."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0:  # else what is executed next would have them again
        assert libc.prctl(SET_SECURE_BITS, NO_ROOT, 0, 0, 0) == 0, os.strerror(ctypes.get_errno())
    header, none = (ctypes.c_uint32 * 2)(VERSION, 0), (ctypes.c_uint32 * 6)()
    assert libc.capset(header, none) == 0, os.strerror(ctypes.get_errno())
