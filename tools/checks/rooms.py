"""What may be called where: memory, output, ending the process, chance, the system, libm."""
import re

from tree import code_only, line_of

OS = r"src/base/os_\w+\.c"
IO = r"src/io/.*"
# (what, names, rooms where it may stand, what to do instead)
RULES = [
    ("memory", "malloc calloc realloc free aligned_alloc posix_memalign strdup strndup asprintf",
     [OS, r"src/base/ctx\.c"], "use wni_alloc, wni_free and their kin"),
    ("output", "printf fprintf vprintf vfprintf dprintf puts fputs putchar putc fputc perror", [],
     "the library never prints; use wni_log or wni_fail"),
    ("the end", "exit _exit _Exit abort quick_exit atexit assert raise", [],
     "the library never ends the process; return a status"),
    ("chance", "rand srand random srandom drand48 lrand48 arc4random getrandom time", [],
     "use wni_rand_* with seed, stream and index"),
    ("files", "open openat creat fopen fdopen freopen mmap munmap mremap madvise msync read write "
     "pread pwrite readv writev lseek ftruncate truncate fallocate posix_fallocate close fclose "
     "fread fwrite fseek fseeko ftell ftello rename renameat unlink rmdir mkdir remove stat fstat "
     "lstat access opendir readdir glob fsync fdatasync realpath mkstemp mkdtemp tmpfile flock",
     [OS, IO], "only src/base/os_*.c and src/io call the system"),
    ("system", "getenv setenv sysconf getpid clock_gettime gettimeofday nanosleep sleep usleep fork "
     "execv execvp system popen signal sigaction getrusage sched_getaffinity sched_yield "
     "pthread_create pthread_mutex_lock pthread_once sysinfo kill", [OS],
     "only src/base/os_*.c calls the system"),
    ("unsafe", "strcpy strcat sprintf vsprintf gets strtok atoi atol atof sscanf setlocale", [OS],
     "use the bounded or checked form"),
    ("locale", "strtod strtof", [r"src/base/.*", r"src/io/.*", r"src/(pool|registry)/.*"],
     "numbers are parsed in base, io, pool and registry"),
    ("libm", "exp exp2 expm1 log log2 log10 log1p pow sin cos tan asin acos atan atan2 sinh cosh tanh "
     "erf erfc tgamma lgamma cbrt hypot expf logf log2f powf sinf cosf tanf", [],
     "its bits differ between systems: use wni_log_fixed; for what is only shown end "
     "the line with /* allowed: only shown */"),
]
PATTERNS = [(what, re.compile(r"(?<![\w.>])(" + "|".join(names.split()) + r")\s*\("), rooms, advice)
            for what, names, rooms, advice in RULES]
# An exception stands where it is made, with its reason, for reviewers to see.
EXEMPT = re.compile(r"/\* allowed: \w.*\*/")


def check(tree):
    for name in tree.match(r"src/.*\.(c|h)"):
        raw = tree.read(name)
        text, raw_lines = code_only(raw), raw.split("\n")
        for what, pattern, rooms, advice in PATTERNS:
            if any(re.fullmatch(room, name) for room in rooms):
                continue
            for m in pattern.finditer(text):
                line = line_of(text, m.start())
                if EXEMPT.search(raw_lines[line - 1]):
                    continue
                yield name, line, f"{m.group(1)}() does not belong here: {advice}"


BAD = [({"src/scan/a.c": f"void f(void)\n{{\n    x = {call};\n}}\n"}, f"scan/a.c:3: rooms: {call[:4]}")
       for call in ["malloc(3)", "free(p)", "printf(s)", "exit(1)", "assert(x)", "rand()", "fopen(p)",
                    "mmap(0)", "getenv(s)", "strcpy(a, b)", "strtod(a, b)", "log(x)"]]
BAD.append(({"src/io/a.c": "int x = getenv(s);\n"}, "only src/base/os_"))
GOOD = [{"src/scan/a.c": '/* malloc(3) */ x = wni_free(p) + a->free(p) + "exit(1)";\n'
                         "y = log(x); /* allowed: only shown */\n",
         "src/io/b.c": "fopen(p); mmap(0);\n", "src/base/os_posix.c": "malloc(3); getenv(s);\n"}]
