/* What runs when somebody double-clicks Larimar's AppImage.
 *
 * The file is this program with a squashfs image behind it. The first start unpacks the image into the user's cache,
 * into a folder named after the image's own identity, and removes what older versions left there; every start then
 * replaces itself with AppRun in that folder. Nothing has to be mounted, so that it also runs where FUSE is missing,
 * and libraries are mapped from plain files.
 *
 *   --appimage-offset     print where the image begins
 *   --appimage-extract    unpack into ./squashfs-root and stop
 *
 * Links squashfuse, zlib, lzma, lz4 and zstd, all under permissive licences. */
#define _GNU_SOURCE
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <squashfuse/squashfuse.h>

#define MARK ".complete" /* written last into an unpacked folder */

static int fail(const char *format, ...) {
  va_list rest;
  va_start(rest, format);
  fputs("larimar: ", stderr);
  vfprintf(stderr, format, rest);
  fputc('\n', stderr);
  va_end(rest);
  return 127;
}

/* Debian's squashfuse names a decompressor that is under the GPL; our images never use it, so it is not linked. */
int lzo1x_decompress_safe(const void *source, unsigned long size, void *target, unsigned long *written, void *work);
int lzo1x_decompress_safe(const void *source, unsigned long size, void *target, unsigned long *written, void *work) {
  (void)source, (void)size, (void)target, (void)written, (void)work;
  return -1;
}

/* The image begins where this program's own ELF file ends: behind the table of sections, which linkers put last. */
static off_t image_offset(int file) {
  Elf64_Ehdr header;
  if (pread(file, &header, sizeof header, 0) != (ssize_t)sizeof header || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
    return -1;
  return (off_t)header.e_shoff + (off_t)header.e_shentsize * header.e_shnum;
}

static int make_folders(const char *path) {
  char part[PATH_MAX];
  snprintf(part, sizeof part, "%s", path);
  for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    if (mkdir(part, 0755) && errno != EEXIST)
      return -1;
    *slash = '/';
  }
  return mkdir(part, 0755) && errno != EEXIST ? -1 : 0;
}

static int write_file(sqfs *image, sqfs_inode *inode, const char *path) {
  static char block[1 << 18];
  int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, inode->base.mode & 0777);
  if (file < 0)
    return -1;
  int failed = 0;
  sqfs_off_t position = 0, size = (sqfs_off_t)inode->xtra.reg.file_size;
  while (!failed && position < size) {
    sqfs_off_t count = sizeof block;
    if (sqfs_read_range(image, inode, position, &count, block) != SQFS_OK || count <= 0) {
      errno = EIO;
      failed = 1;
    } else {
      failed = write(file, block, (size_t)count) != (ssize_t)count;
      position += count;
    }
  }
  return close(file) || failed ? -1 : 0;
}

static int unpack(sqfs *image, const char *folder) {
  sqfs_traverse walk;
  sqfs_err error = sqfs_traverse_open(&walk, image, sqfs_inode_root(image));
  if (error)
    return -1;
  while (sqfs_traverse_next(&walk, &error)) {
    char path[PATH_MAX], target[PATH_MAX];
    sqfs_inode inode;
    if (walk.dir_end)
      continue;
    if (snprintf(path, sizeof path, "%s/%s", folder, walk.path) >= (int)sizeof path ||
        sqfs_inode_get(image, &inode, sqfs_dentry_inode(&walk.entry)))
      return -1;
    size_t length = sizeof target;
    if (S_ISDIR(inode.base.mode) ? mkdir(path, 0755) && errno != EEXIST
        : S_ISLNK(inode.base.mode)
            ? sqfs_readlink(image, &inode, target, &length) || symlink(target, path)
            : S_ISREG(inode.base.mode) && write_file(image, &inode, path))
      return -1;
  }
  return error ? -1 : 0;
}

static int remove_entry(const char *path, const struct stat *about, int kind, struct FTW *where) {
  (void)about, (void)kind, (void)where;
  return remove(path);
}

static void remove_folder(const char *path) { nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

/* Removes what other versions unpacked, unless one of them is running: a running one holds a lock on its mark. */
static void remove_others(const char *cache, const char *mine) {
  DIR *folder = opendir(cache);
  struct dirent *entry;
  while (folder && (entry = readdir(folder))) {
    char path[PATH_MAX], mark[PATH_MAX + 16];
    if (entry->d_name[0] == '.' || !strcmp(entry->d_name, mine) || strlen(entry->d_name) > 64)
      continue;
    snprintf(path, sizeof path, "%s/%s", cache, entry->d_name);
    snprintf(mark, sizeof mark, "%s/" MARK, path);
    int file = open(mark, O_RDONLY | O_CLOEXEC);
    if (file >= 0 && flock(file, LOCK_EX | LOCK_NB) == 0)
      remove_folder(path);
    if (file >= 0)
      close(file);
  }
  if (folder)
    closedir(folder);
}

int main(int argc, char **argv) {
  char self[PATH_MAX], cache[PATH_MAX / 4], name[64], folder[PATH_MAX / 2], mark[PATH_MAX], run[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (length < 0)
    return fail("cannot find its own file: /proc is missing");
  self[length] = 0;
  int file = open(self, O_RDONLY | O_CLOEXEC);
  off_t offset = file < 0 ? -1 : image_offset(file);
  if (argc > 1 && !strcmp(argv[1], "--appimage-offset"))
    return printf("%lld\n", (long long)offset) < 0;
  sqfs image;
  if (offset < 0 || sqfs_init(&image, file, (size_t)offset) != SQFS_OK)
    return fail("%s is damaged: download it again", self);
  if (argc > 1 && !strcmp(argv[1], "--appimage-extract")) {
    if (mkdir("squashfs-root", 0755) || unpack(&image, "squashfs-root"))
      return fail("cannot unpack into squashfs-root: %s", strerror(errno));
    return 0;
  }

  /* the image knows how long it is and when it was made: enough to tell versions apart */
  struct stat about;
  if (fstat(file, &about))
    return fail("cannot read %s: %s", self, strerror(errno));
  snprintf(name, sizeof name, "%llx-%x", (unsigned long long)about.st_size, (unsigned)image.sb.mkfs_time);
  const char *chosen = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  int written = chosen && *chosen == '/' ? snprintf(cache, sizeof cache, "%s/larimar/appimage", chosen)
                                         : snprintf(cache, sizeof cache, "%s/.cache/larimar/appimage", home ? home : "");
  if (written >= (int)sizeof cache || *cache != '/')
    return fail("the cache folder's path is too long or not set: set XDG_CACHE_HOME to a folder");
  snprintf(folder, sizeof folder, "%s/%s", cache, name);
  snprintf(mark, sizeof mark, "%s/" MARK, folder);
  if (access(mark, F_OK)) {
    char part[PATH_MAX / 2 + 32];
    snprintf(part, sizeof part, "%s/.%s-%d", cache, name, (int)getpid());
    fputs("Larimar is unpacking itself; this happens once.\n", stderr);
    struct statvfs space;
    if (make_folders(part) || unpack(&image, part)) {
      int reason = errno;
      remove_folder(part);
      if (statvfs(cache, &space) == 0 && reason == ENOSPC)
        return fail("%s has no room for the unpacked program (about 500 MB). Make room, or set XDG_CACHE_HOME to a "
                    "folder elsewhere", cache);
      return fail("cannot unpack into %s: %s", cache, strerror(reason));
    }
    char done[PATH_MAX / 2 + 64];
    snprintf(done, sizeof done, "%s/" MARK, part);
    close(open(done, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    if (rename(part, folder)) {
      remove_folder(part); /* another start was faster, or left half a folder behind */
      if (access(mark, F_OK))
        return fail("cannot unpack into %s: remove that folder and start again", folder);
    }
    remove_others(cache, name);
  }
  int lock = open(mark, O_RDONLY); /* stays open in AppRun, so that the folder is not removed while it runs */
  if (lock >= 0)
    flock(lock, LOCK_SH | LOCK_NB);
  setenv("APPIMAGE", self, 1);
  setenv("APPDIR", folder, 1);
  snprintf(run, sizeof run, "%s/AppRun", folder);
  argv[0] = run;
  execv(run, argv);
  return fail("cannot start %s: %s", run, strerror(errno));
}
