/* What a program can't do to itself from within Python: see a clock that was set, and die in the middle of a write.

   ZLOG_CLOCK=FILE        eight octets, a signed number of nanoseconds, which is added to the time of day
   ZLOG_DIE=CALL:N:TEXT   SIGKILL in the N-th CALL on a file whose path contains TEXT:
                          write (half of it is written), before-sync, after-sync, rename (it isn't done), renamed (it is)

   The clock that never jumps is not touched, nor is the machine's. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *offset_ns;
static const char *die_call, *die_text;
static char die_copy[512];
static long die_at;
static atomic_long seen;

__attribute__((constructor)) static void start (void)
{
    const char *clock = getenv ("ZLOG_CLOCK");
    if (clock) {
        int file = open (clock, O_RDONLY | O_CLOEXEC);
        void *memory = file < 0 ? MAP_FAILED : mmap (NULL, 8, PROT_READ, MAP_SHARED, file, 0);
        if (memory == MAP_FAILED)
            abort ();
        offset_ns = memory;
        close (file);
    }
    const char *die = getenv ("ZLOG_DIE");
    if (die) {
        snprintf (die_copy, sizeof die_copy, "%s", die);
        char *number = strchr (die_copy, ':');
        char *text = number ? strchr (number + 1, ':') : NULL;
        if (!text)
            abort ();
        *number = *text = 0;
        die_call = die_copy;
        die_at = atol (number + 1);
        die_text = text + 1;
    }
}

/* ---- the clock */

int clock_gettime (clockid_t clock, struct timespec *now)
{
    long result = syscall (SYS_clock_gettime, clock, now);
    if (!result && offset_ns && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t ns = now->tv_sec * INT64_C (1000000000) + now->tv_nsec + *offset_ns;
        now->tv_sec = ns / 1000000000;
        now->tv_nsec = ns % 1000000000;
    }
    return (int) result;
}

int gettimeofday (struct timeval *now, void *zone)
{
    (void) zone;
    struct timespec fine;
    clock_gettime (CLOCK_REALTIME, &fine);
    now->tv_sec = fine.tv_sec;
    now->tv_usec = fine.tv_nsec / 1000;
    return 0;
}

time_t time (time_t *into)
{
    struct timespec fine;
    clock_gettime (CLOCK_REALTIME, &fine);
    if (into)
        *into = fine.tv_sec;
    return fine.tv_sec;
}

/* ---- the end */

static int is_path (const char *call, const char *path)
{
    return die_call && !strcmp (die_call, call) && strstr (path, die_text) && atomic_fetch_add (&seen, 1) + 1 == die_at;
}

static int is_file (const char *call, int file)
{
    char link[32], path[4096];
    if (!die_call || strcmp (die_call, call))
        return 0;
    snprintf (link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink (link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return is_path (call, path);
}

static void die (void)
{
    kill (getpid (), SIGKILL);
    for (;;)
        pause ();
}

ssize_t pwrite64 (int file, const void *data, size_t size, off64_t at)
{
    if (is_file ("write", file)) {
        syscall (SYS_pwrite64, file, data, size / 2, at);
        die ();
    }
    return syscall (SYS_pwrite64, file, data, size, at);
}

ssize_t pwrite (int file, const void *data, size_t size, off_t at)
{
    return pwrite64 (file, data, size, at);
}

ssize_t write (int file, const void *data, size_t size)
{
    if (is_file ("write", file)) {
        syscall (SYS_write, file, data, size / 2);
        die ();
    }
    return syscall (SYS_write, file, data, size);
}

ssize_t writev (int file, const struct iovec *parts, int count)
{
    if (is_file ("write", file)) {
        for (int part = 0; part < count; part++)
            syscall (SYS_write, file, parts[part].iov_base, part + 1 < count ? parts[part].iov_len : parts[part].iov_len / 2);
        die ();
    }
    return syscall (SYS_writev, file, parts, count);
}

static int sync_with (long number, int file)
{
    if (is_file ("before-sync", file))
        die ();
    long result = syscall (number, file);
    if (is_file ("after-sync", file))
        die ();
    return (int) result;
}

int fsync (int file)
{
    return sync_with (SYS_fsync, file);
}

int fdatasync (int file)
{
    return sync_with (SYS_fdatasync, file);
}

int rename (const char *old, const char *new)
{
    if (is_path ("rename", new))
        die ();
    long result = syscall (SYS_renameat2, AT_FDCWD, old, AT_FDCWD, new, 0);
    if (is_path ("renamed", new))
        die ();
    return (int) result;
}
