"""A filter over system calls, assembled as classic BPF (seccomp(2), bpf(4) of OpenBSD for the instructions).

Compilers and four run times need most of what programs ever call, so what is known and dangerous is refused by name,
and what is newer than this table is unknown to it: it does not exist (ENOSYS), as on an older kernel. A program of
another architecture, whose numbers mean other calls, is killed; x32's numbers lie above the newest and do not exist.
"""

import errno
import platform
import struct

REFUSED = {
    # looking into other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    # mounts and roots
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    # namespaces; clone with their flags is refused below
    "unshare": (272, 97),
    "setns": (308, 268),
    # files without their paths
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    # keys outlive the program
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # where kernels break
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "memfd_secret": (447, 447),
    "personality": (135, 92),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    # the machine
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "lookup_dcookie": (212, 18),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "vhangup": (153, 58),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "uselib": (134, None),
    "sysfs": (139, None),
    "ustat": (136, None),
}
"""Numbers on x86_64 and aarch64 (asm/unistd_64.h, asm-generic/unistd.h); the answer is EPERM."""

NEWEST = 451
"""cachestat, Linux 6.5: the last number that the table was made with."""

_MACHINES = {"x86_64": 0, "aarch64": 1}
_ARCHITECTURE = (0xC000003E, 0xC00000B7)
_CLONE, _CLONE3, _SOCKET, _IOCTL = (56, 220), (435, 435), (41, 198), (16, 29)
_NEW_NAMESPACES = 0x7E020000
_AF_UNIX = 1
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # type into the terminal that started us

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _FIRST, _SECOND = 0, 4, 16, 24  # struct seccomp_data; both machines are little-endian
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


def program(machine: str | None = None) -> bytes:
    """The filter as an array of `struct sock_filter`. Raises KeyError for a machine that it does not know."""
    which = _MACHINES[machine or platform.machine()]
    code = [_step(_LOAD, _ARCH), _step(_EQUAL, _ARCHITECTURE[which], 1, 0), _step(_RETURN, _KILL)]
    code += [_step(_LOAD, _NUMBER), _step(_AT_LEAST, NEWEST + 1, 0, 1), _refuse(errno.ENOSYS)]
    # The caller of clone3 passes its flags in memory, where no filter sees them; libraries then fall back on clone.
    code += [_step(_EQUAL, _CLONE3[which], 0, 1), _refuse(errno.ENOSYS)]
    for numbers in REFUSED.values():
        number = numbers[which]
        if number is not None:
            code += [_step(_EQUAL, number, 0, 1), _refuse(errno.EPERM)]
    code += [_step(_EQUAL, _CLONE[which], 0, 4), _step(_LOAD, _FIRST)]
    code += [_step(_ANY_BIT, _NEW_NAMESPACES, 0, 1), _refuse(errno.EPERM), _step(_RETURN, _ALLOW)]
    code += [_step(_EQUAL, _SOCKET[which], 0, 4), _step(_LOAD, _FIRST)]
    code += [_step(_EQUAL, _AF_UNIX, 1, 0), _refuse(errno.EAFNOSUPPORT), _step(_RETURN, _ALLOW)]
    code += [_step(_EQUAL, _IOCTL[which], 0, 4), _step(_LOAD, _SECOND)]
    code += [_step(_EQUAL, _TIOCSTI, 1, 0), _step(_EQUAL, _TIOCLINUX, 0, 1), _refuse(errno.EPERM)]
    return b"".join([*code, _step(_RETURN, _ALLOW)])


def known() -> bool:
    """Whether there is a filter for this machine."""
    return platform.machine() in _MACHINES


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _refuse(number: int) -> bytes:
    return _step(_RETURN, _ERRNO | number)
