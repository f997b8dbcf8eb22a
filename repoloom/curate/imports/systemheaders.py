"""Header names that belong to the system: `<string.h>` is the C library's even where a repository has a `string.h`."""

_ISO_C = """
assert.h complex.h ctype.h errno.h fenv.h float.h inttypes.h iso646.h limits.h locale.h math.h setjmp.h signal.h
stdalign.h stdarg.h stdatomic.h stdbit.h stdbool.h stdckdint.h stddef.h stdint.h stdio.h stdlib.h stdnoreturn.h
string.h tgmath.h threads.h time.h uchar.h wchar.h wctype.h
"""
_POSIX_AND_UNIX = """
aio.h alloca.h cpio.h dirent.h dlfcn.h elf.h endian.h err.h execinfo.h fcntl.h fmtmsg.h fnmatch.h ftw.h getopt.h
glob.h grp.h iconv.h ifaddrs.h langinfo.h libgen.h libintl.h link.h malloc.h memory.h mntent.h monetary.h
mqueue.h ndbm.h netdb.h nl_types.h paths.h poll.h pthread.h pty.h pwd.h regex.h resolv.h sched.h search.h
semaphore.h shadow.h spawn.h strings.h stropts.h sysexits.h syslog.h tar.h termios.h trace.h ucontext.h ulimit.h
unistd.h utime.h utmp.h utmpx.h values.h wordexp.h
"""
_WINDOWS = """
windows.h winsock.h winsock2.h ws2tcpip.h windef.h winbase.h wincrypt.h wininet.h winnt.h winuser.h shellapi.h
shlobj.h shlwapi.h objbase.h tchar.h io.h direct.h conio.h process.h intrin.h crtdbg.h dbghelp.h psapi.h
"""
_FILES = frozenset((_ISO_C + _POSIX_AND_UNIX + _WINDOWS).split())
_FOLDERS = frozenset(
    {"arpa", "asm", "asm-generic", "bits", "gnu", "linux", "mach", "machine", "net", "netinet", "rpc", "scsi", "sys"}
)


def is_system(name: str) -> bool:
    """Whether an included name is the system's: a standard file, a name without suffix (`<vector>`), `sys/...`."""
    first, slash, _ = name.partition("/")
    return first in _FOLDERS if slash else name in _FILES or "." not in name
