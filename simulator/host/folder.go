package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// fileSystems by the kernel's number for them.
var fileSystems = map[int64]string{
	unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs", unix.TMPFS_MAGIC: "tmpfs", unix.RAMFS_MAGIC: "ramfs",
	unix.NFS_SUPER_MAGIC: "nfs", unix.CIFS_SUPER_MAGIC: "cifs", unix.MSDOS_SUPER_MAGIC: "vfat", unix.OVERLAYFS_SUPER_MAGIC: "overlay",
	unix.FUSE_SUPER_MAGIC: "fuse", 0x2fc12fc1: "zfs", unix.V9FS_MAGIC: "9p", unix.F2FS_SUPER_MAGIC: "f2fs",
}

// folder looks at a folder, or at the nearest above it that is there: it would be made in that one.
func folder(path string) Folder {
	there := nearest(path)
	found := Folder{Path: path, FreeFiles: -1}
	var stat unix.Statfs_t
	if err := unix.Statfs(there, &stat); err != nil {
		found.Problem = fmt.Sprintf("looking at the file system of %s: %v", there, err)
		return found
	}
	found.FileSystem = fileSystems[int64(stat.Type)] //nolint:unconvert // it is 32 bits wide elsewhere
	if found.FileSystem == "" {
		found.FileSystem = fmt.Sprintf("file system %#x", stat.Type)
	}
	found.FreeMiB = int(stat.Bavail * uint64(stat.Bsize) >> 20) //nolint:gosec // no disk is that large
	if stat.Files > 0 {
		found.FreeFiles = int(stat.Ffree) //nolint:gosec // nor has one as many files
	}
	found.Problem = unwritable(there, stat)
	return found
}

// existing looks at a folder that nobody makes.
func existing(path string) Folder {
	found := folder(path)
	if _, err := os.Stat(path); err != nil {
		found.Problem = err.Error()
	}
	return found
}

// nearest gives the longest part of a path that is there.
func nearest(path string) string {
	for path = filepath.Clean(path); ; path = filepath.Dir(path) {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path) {
			return path
		}
	}
}

// unwritable says why nothing can be written into a folder; "" when it can.
func unwritable(path string, stat unix.Statfs_t) string {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err.Error()
	case !info.IsDir():
		return path + " is there, and is no folder"
	case stat.Flags&unix.ST_RDONLY != 0:
		return path + " is on a file system that is mounted read-only"
	}
	if err := unix.Access(path, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Sprintf("%s cannot be written: %v", path, err)
	}
	return ""
}
