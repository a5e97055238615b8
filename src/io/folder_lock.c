/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/folder_lock.h"

#define ATTEMPTS 8

/* Nonzero when what is open is what the path names now: it may have been replaced before it was locked. */
static int still_there(int fd, const char *path)
{
    struct stat open_now, there;

    return fstat(fd, &open_now) == 0 && stat(path, &there) == 0 &&
           open_now.st_dev == there.st_dev && open_now.st_ino == there.st_ino;
}

wn_status wni_folder_lock(wn_ctx *ctx, const char *path, int *lock)
{
    *lock = -1;
    for (int i = 0; i < ATTEMPTS; i++) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0) return WN_OK; /* whoever reads it says what is wrong */
        if (flock(fd, LOCK_EX | LOCK_NB)) {
            /* A file system without locks (ENOLCK, EOPNOTSUPP) is no reason not to run. */
            const int busy = errno == EWOULDBLOCK;
            close(fd);
            if (!busy) return WN_OK;
            return wni_fail(ctx, WN_E_IO,
                            "%s: another run is changing it; wait for its end and run again", path);
        }
        if (still_there(fd, path)) {
            *lock = fd;
            return WN_OK;
        }
        close(fd);
    }
    return wni_fail(ctx, WN_E_IO, "%s: other runs keep replacing it; run again", path);
}

void wni_folder_unlock(int lock)
{
    if (lock >= 0) close(lock);
}

int wni_folder_hold(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int wni_folder_replaced(int hold, const char *path)
{
    return hold >= 0 && !still_there(hold, path);
}
