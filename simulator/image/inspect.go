package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// header of a file that is said to be a disk, as much of it as is looked at: a qcow2's is in its first cluster.
const headerSize = 64 << 10

// alien formats by what they begin with. Each can refer to other files, or is not a disk: told apart from a raw disk
// so that the message says what it is.
var alien = []struct {
	magic  string
	name   string
	advice string
}{
	{"KDMV", "a VMDK image", "convert it to qcow2"},
	{"COWD", "a VMDK image", "convert it to qcow2"},
	{"# Disk DescriptorFile", "a VMDK image's descriptor", "convert it to qcow2"},
	{"vhdxfile", "a VHDX image", "convert it to qcow2"},
	{"conectix", "a VHD image", "convert it to qcow2"},
	{"cxsparse", "a VHD image", "convert it to qcow2"},
	{"QED\x00", "a QED image", "convert it to qcow2"},
	{"LUKS\xba\xbe", "an encrypted (LUKS) image", "give one that is not"},
	{"<<< ", "a VDI image", "convert it to qcow2"},
	{"WithoutFreeSpace", "a Parallels image", "convert it to qcow2"},
	{"WithouFreSpacExt", "a Parallels image", "convert it to qcow2"},
	{"OOOO", "a COW image", "convert it to qcow2"},
	{"\x1f\x8b", "compressed with gzip", "give the unpacked one"},
	{"\xfd7zXZ\x00", "compressed with xz", "give the unpacked one"},
	{"\x28\xb5\x2f\xfd", "compressed with zstd", "give the unpacked one"},
	{"BZh", "compressed with bzip2", "give the unpacked one"},
	{"PK\x03\x04", "a zip archive", "give the disk that is in it"},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive", "give the disk that is in it"},
	{"<!DOCTYPE", "a web page", "check the URL"},
	{"<html", "a web page", "check the URL"},
}

const qcowMagic = "QFI\xfb"

// inspect tells what format a file is and how large its disk, from its header alone, and refuses what is not to be
// given to any tool. Size is that of the file.
func inspect(file io.ReaderAt, size int64, format string) (found string, virtual int64, err error) {
	header := make([]byte, min(size, headerSize))
	if _, err := file.ReadAt(header, 0); err != nil && !errors.Is(err, io.EOF) {
		return "", 0, fmt.Errorf("reading the image's header: %w", err)
	}
	for _, a := range alien {
		if bytes.HasPrefix(header, []byte(a.magic)) {
			return "", 0, fail(Unsafe, "it is %s: %s", a.name, a.advice)
		}
	}
	isQCOW := bytes.HasPrefix(header, []byte(qcowMagic))
	switch {
	case isQCOW && format != Raw:
		virtual, err := inspectQCOW2(header)
		return QCOW2, virtual, err
	case isQCOW:
		return "", 0, fail(Unsafe, "it is said to be raw, and is a qcow2: leave the format out, or correct it")
	case format == QCOW2:
		return "", 0, fail(Unsafe, "it is said to be a qcow2, and is none")
	}
	// A page, a list or a secret that was fetched by mistake has no such mark, and what has none does not boot.
	if len(header) < 512 || header[510] != 0x55 || header[511] != 0xaa {
		return "", 0, fail(Unsafe, "it is neither a qcow2 nor a raw disk that boots (no 55 AA at byte 510)")
	}
	return Raw, size, nil
}

// What a qcow2 may have among its incompatible features; see docs/interop/qcow2.txt of QEMU.
const (
	featureDirty        = 1 << 0
	featureCorrupt      = 1 << 1
	featureExternalData = 1 << 2
	featureCompression  = 1 << 3
	featureExtendedL2   = 1 << 4
)

// Header extensions that make a qcow2 more than itself.
const (
	extensionEnd          = 0
	extensionBackingName  = 0xe2792aca
	extensionEncryption   = 0x0537be77
	extensionExternalData = 0x44415441
)

// inspectQCOW2 gives the size of its disk.
func inspectQCOW2(header []byte) (int64, error) {
	if len(header) < 104 {
		return 0, fail(Unsafe, "it is a qcow2 that ends within its header: it was cut short")
	}
	if binary.BigEndian.Uint64(header[8:]) != 0 || binary.BigEndian.Uint32(header[16:]) != 0 {
		return 0, fail(Unsafe, "it has a backing file: give one that stands alone (qemu-img convert makes it so)")
	}
	if binary.BigEndian.Uint32(header[32:]) != 0 {
		return 0, fail(Unsafe, "it is encrypted: give one that is not")
	}
	bits := binary.BigEndian.Uint32(header[20:])
	if bits < 9 || bits > 21 {
		return 0, fail(Unsafe, "it is a qcow2 with clusters of 2^%d bytes, which cannot be", bits)
	}
	header = header[:min(len(header), 1<<bits)]
	length, err := headerLength(header)
	if err != nil {
		return 0, err
	}
	if err := checkExtensions(header[length:]); err != nil {
		return 0, err
	}
	virtual := binary.BigEndian.Uint64(header[24:])
	if virtual > math.MaxInt64 {
		return 0, fail(TooLarge, "it is a disk of %d bytes", virtual)
	}
	return int64(virtual), nil
}

// headerLength is where the header's extensions begin. Version 3 says so itself, and which features are used.
func headerLength(header []byte) (int, error) {
	switch version := binary.BigEndian.Uint32(header[4:]); version {
	case 2:
		return 72, nil
	case 3:
		length := binary.BigEndian.Uint32(header[100:])
		if length < 104 || int64(length) > int64(len(header)) {
			return 0, fail(Unsafe, "it is a qcow2 whose header is %d bytes long, which cannot be", length)
		}
		return int(length), checkFeatures(binary.BigEndian.Uint64(header[72:]))
	default:
		return 0, fail(Unsafe, "it is a qcow2 of version %d, and 2 and 3 are known", version)
	}
}

func checkFeatures(features uint64) error {
	switch {
	case features&featureExternalData != 0:
		return fail(Unsafe, "its data is in another file: give one that stands alone")
	case features&featureCorrupt != 0:
		return fail(Unsafe, "it is marked as corrupt")
	case features&^(featureDirty|featureCompression|featureExtendedL2) != 0:
		return fail(Unsafe, "it is a qcow2 with features that are not known here (%#x)", features)
	}
	return nil
}

// checkExtensions goes through a list that ends with an empty one, or with what is looked at.
func checkExtensions(list []byte) error {
	for len(list) >= 8 {
		kind, length := binary.BigEndian.Uint32(list), int64(binary.BigEndian.Uint32(list[4:]))
		switch kind {
		case extensionEnd:
			return nil
		case extensionBackingName:
			return fail(Unsafe, "it names a backing file's format: give one that stands alone")
		case extensionEncryption:
			return fail(Unsafe, "it is encrypted: give one that is not")
		case extensionExternalData:
			return fail(Unsafe, "it names another file for its data: give one that stands alone")
		}
		next := 8 + (length+7)&^7
		if next > int64(len(list)) {
			return fail(Unsafe, "it is a qcow2 whose header extensions have no end")
		}
		list = list[next:]
	}
	return nil
}
