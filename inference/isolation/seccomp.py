"""A filter of system calls for child processes on Linux: no network, no other programs, nothing written.

The kernel enforces it for native code too. What is forbidden fails with an error number, as it would for want of
permission, so that libraries go on without.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from typing import Final

_CALLS: Final = {
    "x86_64": {
        "socket": 41, "socketpair": 53, "connect": 42, "bind": 49, "listen": 50, "execve": 59, "execveat": 322,
        "fork": 57, "vfork": 58, "clone": 56, "clone3": 435, "open": 2, "openat": 257, "openat2": 437, "creat": 85,
        "unlink": 87, "unlinkat": 263, "rename": 82, "renameat": 264, "renameat2": 316, "rmdir": 84, "mkdir": 83,
        "mkdirat": 258, "mknod": 133, "mknodat": 259, "link": 86, "linkat": 265, "symlink": 88, "symlinkat": 266,
        "truncate": 76, "chmod": 90, "fchmod": 91, "fchmodat": 268, "fchmodat2": 452, "chown": 92, "fchown": 93,
        "lchown": 94, "fchownat": 260, "utime": 132, "utimes": 235, "futimesat": 261, "utimensat": 280,
        "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "kill": 62, "tkill": 200, "tgkill": 234,
        "pidfd_open": 434, "pidfd_send_signal": 424, "pidfd_getfd": 438, "ptrace": 101, "process_vm_readv": 310,
        "process_vm_writev": 311, "process_madvise": 440, "io_uring_setup": 425, "bpf": 321, "userfaultfd": 323,
        "perf_event_open": 298, "add_key": 248, "request_key": 249, "keyctl": 250, "mount": 165, "umount2": 166,
        "unshare": 272, "setns": 308, "shmget": 29, "msgget": 68, "semget": 64, "shmat": 30, "shmctl": 31,
        "msgsnd": 69, "msgrcv": 70, "msgctl": 71, "semop": 65, "semctl": 66, "semtimedop": 220, "mq_open": 240,
        "mq_unlink": 241, "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199, "setxattrat": 463,
        "removexattrat": 466, "file_setattr": 469, "flock": 73, "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297,
        "prlimit64": 302, "setpriority": 141, "ioprio_set": 251, "sched_setparam": 142, "sched_setscheduler": 144,
        "sched_setaffinity": 203, "sched_setattr": 314, "migrate_pages": 256, "move_pages": 279,
        "process_mrelease": 448, "prctl": 157, "fcntl": 72, "ioctl": 16,
    },
    "aarch64": {
        "socket": 198, "socketpair": 199, "connect": 203, "bind": 200, "listen": 201, "execve": 221, "execveat": 281,
        "clone": 220, "clone3": 435, "openat": 56, "openat2": 437, "unlinkat": 35, "renameat": 38, "renameat2": 276,
        "mkdirat": 34, "mknodat": 33, "linkat": 37, "symlinkat": 36, "truncate": 45, "fchmod": 52, "fchmodat": 53,
        "fchmodat2": 452, "fchown": 55, "fchownat": 54, "utimensat": 88, "setxattr": 5, "lsetxattr": 6,
        "fsetxattr": 7, "kill": 129, "tkill": 130, "tgkill": 131, "pidfd_open": 434, "pidfd_send_signal": 424,
        "pidfd_getfd": 438, "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "process_madvise": 440,
        "io_uring_setup": 425, "bpf": 280, "userfaultfd": 282, "perf_event_open": 241, "add_key": 217,
        "request_key": 218, "keyctl": 219, "mount": 40, "umount2": 39, "unshare": 97, "setns": 268, "shmget": 194,
        "msgget": 186, "semget": 190, "shmat": 196, "shmctl": 195, "msgsnd": 189, "msgrcv": 188, "msgctl": 187,
        "semop": 193, "semctl": 191, "semtimedop": 192, "mq_open": 180, "mq_unlink": 181, "removexattr": 14,
        "lremovexattr": 15, "fremovexattr": 16, "setxattrat": 463, "removexattrat": 466, "file_setattr": 469,
        "flock": 32, "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240, "prlimit64": 261, "setpriority": 140,
        "ioprio_set": 30, "sched_setparam": 118, "sched_setscheduler": 119, "sched_setaffinity": 122,
        "sched_setattr": 274, "migrate_pages": 238, "move_pages": 239, "process_mrelease": 448, "prctl": 167,
        "fcntl": 25, "ioctl": 29,
    },
}  # fmt: skip
_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_MISSING: Final = frozenset({"openat2", "clone3"})
"""Calls whose arguments a filter cannot see: as on an older kernel, libraries then take the ones before them."""
_TO_ONESELF: Final = frozenset({"kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"})
"""Signals to oneself end a process in order (abort); to others they are an attack."""
_OF_ONESELF: Final = frozenset(
    {"prlimit64", "sched_setparam", "sched_setscheduler", "sched_setaffinity", "sched_setattr"}
)
"""Of another process they take its files, its time or, with a limit of time that has passed, its life. 0 is oneself."""
_PR_SET_PDEATHSIG: Final = 1
_FCNTL: Final = (0, 1, 2, 3, 4, 1030, 1031, 1032)
"""Descriptors, their flags, and sizes of pipes; not who gets a signal of them, and no lock on a file of the user's."""
_IOCTL: Final = (0x5401, 0x802C542A, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""What tells terminals from files, and flags of descriptors; not to type on the terminal, nor a file's attributes."""

_LOAD, _EQUAL, _GREATER_OR_EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_X32: Final = 0x40000000
_CLONE_THREAD: Final = 0x00010000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2


def apply() -> bool:
    """Filter the system calls of this process from now on, for good; return whether the kernel does."""
    calls = _CALLS.get(platform.machine()) if sys.platform.startswith("linux") else None
    if calls is None or struct.calcsize("P") != 8:
        return False
    content = b"".join(struct.pack("<HBBI", *each) for each in _program(calls, _ARCHITECTURES[platform.machine()]))

    class Program(ctypes.Structure):
        """``struct sock_fprog``."""

        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return False
    prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong]
    program = Program(len(content) // 8, content)
    if prctl(_PR_SET_NO_NEW_PRIVS, 1, None, 0, 0) != 0:
        return False
    return bool(prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


def _program(calls: dict[str, int], architecture: int) -> list[tuple[int, int, int, int]]:
    """Return the filter as (code, jump if true, jump if false, operand)."""
    refuse = (_RETURN, 0, 0, _FAIL | errno.EACCES)
    program = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, architecture), refuse, (_LOAD, 0, 0, _NUMBER)]
    if architecture == _ARCHITECTURES["x86_64"]:
        program += [(_GREATER_OR_EQUAL, 0, 1, _X32), refuse]
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
    for name, number in calls.items():
        if name in ("open", "openat"):
            flags = _ARGUMENTS + 8 * (1 if name == "open" else 2)
            rest = [(_LOAD, 0, 0, flags), (_ANY_BIT, 0, 1, writing), refuse, (_RETURN, 0, 0, _ALLOW)]
        elif name == "clone":
            rest = [(_LOAD, 0, 0, _ARGUMENTS), (_ANY_BIT, 1, 0, _CLONE_THREAD), refuse, (_RETURN, 0, 0, _ALLOW)]
        elif name in _TO_ONESELF:
            rest = [(_LOAD, 0, 0, _ARGUMENTS), (_EQUAL, 1, 0, os.getpid()), refuse, (_RETURN, 0, 0, _ALLOW)]
        elif name in _OF_ONESELF:
            rest = [(_LOAD, 0, 0, _ARGUMENTS), (_EQUAL, 2, 0, 0), (_EQUAL, 1, 0, os.getpid()), refuse]
            rest.append((_RETURN, 0, 0, _ALLOW))
        elif name == "prctl":
            rest = [(_LOAD, 0, 0, _ARGUMENTS), (_EQUAL, 0, 1, _PR_SET_PDEATHSIG), refuse, (_RETURN, 0, 0, _ALLOW)]
        elif name in ("fcntl", "ioctl"):
            known = _FCNTL if name == "fcntl" else _IOCTL
            rest = [(_LOAD, 0, 0, _ARGUMENTS + 8)]
            rest += [(_EQUAL, len(known) - place, 0, each) for place, each in enumerate(known)]
            rest += [refuse, (_RETURN, 0, 0, _ALLOW)]
        else:
            rest = [(_RETURN, 0, 0, _FAIL | (errno.ENOSYS if name in _MISSING else errno.EACCES))]
        program += [(_EQUAL, 0, len(rest), number), *rest]
    return [*program, (_RETURN, 0, 0, _ALLOW)]
