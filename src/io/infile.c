/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "io/infile.h"

#define MAP_ALIGN 65536 /* a multiple of every page size in use */

/* A FIFO without a writer would block open() forever; O_NONBLOCK does nothing to regular files. */
static int open_for_read(const char *path)
{
    int fd;

    do
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static wn_status open_failed(wn_ctx *ctx, const char *path)
{
    bool absent = errno == ENOENT || errno == ENOTDIR;

    return wni_fail(ctx, absent ? WN_E_DATA : WN_E_IO, "%s: cannot open: %s", path,
                    strerror(errno));
}

wn_status wni_infile_open(wn_ctx *ctx, const char *path, wni_infile *file)
{
    struct stat info;
    wn_status st = WN_OK;

    memset(file, 0, sizeof *file);
    file->fd = open_for_read(path);
    if (file->fd < 0) return open_failed(ctx, path);
    if (fstat(file->fd, &info))
        st = wni_fail(ctx, WN_E_IO, "%s: cannot read: %s", path, strerror(errno));
    else if (!S_ISREG(info.st_mode))
        st = wni_fail(ctx, WN_E_DATA, "%s: found %s, expected a regular file", path,
                      S_ISDIR(info.st_mode) ? "a folder" : "a device or pipe");
    else if (!(file->path = wni_strdup(ctx, path)))
        st = WN_E_NOMEM;
    if (st != WN_OK) {
        close(file->fd);
        memset(file, 0, sizeof *file);
        file->fd = -1;
        return st;
    }
    file->bytes = (int64_t)info.st_size;
    file->device = (int64_t)info.st_dev;
    file->inode = (int64_t)info.st_ino;
    return WN_OK;
}

void wni_infile_rest(wni_infile *file)
{
    if (file->path && file->fd >= 0) close(file->fd);
    file->fd = -1;
}

void wni_infile_close(wn_ctx *ctx, wni_infile *file)
{
    wni_infile_rest(file);
    wni_free(ctx, file->path);
    memset(file, 0, sizeof *file);
    file->fd = -1;
}

/* The descriptor of a file, opened for the moment when it rests. */
static wn_status borrow(wn_ctx *ctx, const wni_infile *file, int *fd)
{
    struct stat info;

    *fd = file->fd;
    if (*fd >= 0) return WN_OK;
    *fd = open_for_read(file->path);
    if (*fd < 0)
        return wni_fail(ctx, WN_E_IO, "%s: cannot open again: %s", file->path, strerror(errno));
    if (fstat(*fd, &info) || (int64_t)info.st_dev != file->device ||
        (int64_t)info.st_ino != file->inode) {
        close(*fd);
        return wni_fail(ctx, WN_E_IO, "%s: was replaced while winnow was reading it; run again",
                        file->path);
    }
    return WN_OK;
}

wn_status wni_infile_wake(wn_ctx *ctx, wni_infile *file)
{
    int fd;
    wn_status st = borrow(ctx, file, &fd);

    if (st == WN_OK) file->fd = fd;
    return st;
}

static void give(const wni_infile *file, int fd)
{
    if (file->fd < 0) close(fd);
}

static wn_status shrank(wn_ctx *ctx, const wni_infile *file, int64_t need, int64_t found)
{
    return wni_fail(ctx, WN_E_IO,
                    "%s: shrank while winnow was reading it: found %lld bytes, expected at least "
                    "%lld; run again when nothing writes to it",
                    file->path, (long long)found, (long long)need);
}

wn_status wni_infile_read(wn_ctx *ctx, const wni_infile *file, int64_t at, int64_t bytes, void *out)
{
    unsigned char *to = out;
    wn_status st;
    int fd;

    if ((st = borrow(ctx, file, &fd)) != WN_OK) return st;
    while (bytes > 0 && st == WN_OK) {
        /* Some systems refuse single reads of 2 GiB and more. */
        ssize_t got = pread(fd, to, (size_t)wni_min(bytes, 1 << 30), (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            st = wni_fail(ctx, WN_E_IO, "%s: cannot read: %s", file->path, strerror(errno));
        else if (got == 0)
            st = shrank(ctx, file, at + bytes, at);
        else {
            to += got;
            at += got;
            bytes -= got;
        }
    }
    give(file, fd);
    return st;
}

/* Whether the byte is in the system's cache; where that cannot be asked, no. */
static bool at_hand(int fd, int64_t at)
{
#ifdef RWF_NOWAIT
    unsigned char byte;
    struct iovec to = {&byte, 1};

    return preadv2(fd, &to, 1, (off_t)at, RWF_NOWAIT) == 1;
#else
    (void)fd;
    (void)at;
    return false;
#endif
}

/* The request looks at every page, so none is made for what seems to be there. */
void wni_infile_ahead(const wni_infile *file, int64_t at, int64_t bytes)
{
    if (file->fd < 0 || bytes <= 0) return;
    if (at_hand(file->fd, at) && at_hand(file->fd, at + bytes / 2) &&
        at_hand(file->fd, at + bytes - 1))
        return;
#ifdef POSIX_FADV_WILLNEED
    (void)posix_fadvise(file->fd, (off_t)at, (off_t)bytes, POSIX_FADV_WILLNEED);
#endif
}

wn_status wni_infile_map(wn_ctx *ctx, const wni_infile *file, int64_t at, int64_t bytes,
                         wni_mapping *map)
{
    int64_t lead = at % MAP_ALIGN;
    struct stat info;
    wn_status st;
    void *base;
    int fd;

    memset(map, 0, sizeof *map);
    if ((st = borrow(ctx, file, &fd)) != WN_OK) return st;
    if (fstat(fd, &info))
        st = wni_fail(ctx, WN_E_IO, "%s: cannot read: %s", file->path, strerror(errno));
    else if ((int64_t)info.st_size < at + bytes)
        st = shrank(ctx, file, at + bytes, (int64_t)info.st_size);
    if (st == WN_OK) {
        base = mmap(NULL, (size_t)(bytes + lead), PROT_READ, MAP_SHARED, fd, (off_t)(at - lead));
        if (base != MAP_FAILED) {
            map->base = base;
            map->bytes = bytes + lead;
            map->data = (const unsigned char *)base + lead;
            wni_account(ctx, map->bytes);
        }
    }
    give(file, fd);
    return st;
}

void wni_mapping_ahead(const wni_mapping *map, int64_t at, int64_t bytes)
{
    int64_t begin = (at + (map->data - (const unsigned char *)map->base)) / MAP_ALIGN * MAP_ALIGN;
    int64_t end = at + (map->data - (const unsigned char *)map->base) + bytes;

    if (map->base && end > begin)
        posix_madvise((unsigned char *)map->base + begin, (size_t)(end - begin),
                      POSIX_MADV_WILLNEED);
}

void wni_mapping_free(wn_ctx *ctx, wni_mapping *map)
{
    if (map->base) {
        munmap(map->base, (size_t)map->bytes);
        wni_account(ctx, -map->bytes);
    }
    memset(map, 0, sizeof *map);
}

int wni_file_exists(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}
