package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// refused gets an image and checks the kind of its error, whether trying again helps, what it says, and that nothing
// of it is left.
func refused(t *testing.T, s *Store, source Source, kind Kind, says string) {
	t.Helper()
	base, err := s.Get(t.Context(), source, nil)
	var e *Error
	if !errors.As(err, &e) || e.Kind != kind || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: %+v, %v; want it refused as %s, with %q", t.Name(), base, err, kind, says)
	}
	if again := kind == Unavailable || kind == HostFull; Permanent(err) == again {
		t.Errorf("%v: for ever is %v", err, !again)
	}
	for _, name := range names(t, s.dir) {
		if !strings.HasSuffix(name, ".source.json") && Permanent(err) {
			t.Errorf("left: %s", name)
		}
	}
}

// edit a header.
func edit(content []byte, at int, value uint64, bytes int) []byte {
	edited := append([]byte(nil), content...)
	var wide [8]byte
	binary.BigEndian.PutUint64(wide[:], value)
	copy(edited[at:], wide[8-bytes:])
	return edited
}

// over is a qcow2 over another file, made without that being opened.
func over(t *testing.T, backing, format string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "over.qcow2")
	qemuImg(t, "create", "-u", "-q", "-f", "qcow2", "-F", format, "-b", backing, path, "1M")
	return read(t, path)
}

// elsewhere is a qcow2 whose data is in another file.
func elsewhere(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "front.qcow2")
	qemuImg(t, "create", "-q", "-f", "qcow2", "-o", "data_file="+filepath.Join(dir, "passwd")+",data_file_raw=on", path, "1M")
	return read(t, path)
}

func converted(t *testing.T, format string) []byte {
	t.Helper()
	dir := t.TempDir()
	raw, path := filepath.Join(dir, "raw"), filepath.Join(dir, "other")
	if err := os.WriteFile(raw, bootable(1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	qemuImg(t, "convert", "-f", "raw", "-O", format, raw, path)
	return read(t, path)
}

func TestUnsafeImagesAreRefused(t *testing.T) {
	good := disk(t)
	after := int(binary.BigEndian.Uint32(good[100:])) // the header: extensions follow
	cases := map[string]struct {
		content []byte
		format  string
		says    string
	}{
		"backing file of the host":   {over(t, "/etc/passwd", "raw"), "", "backing file"},
		"backing file by a protocol": {over(t, "json:{\"driver\":\"raw\",\"file.filename\":\"/etc/passwd\"}", "raw"), "", "backing file"},
		"data file":                  {elsewhere(t), "", "data is in another file"},
		"data file, said to be good": {elsewhere(t), QCOW2, "data is in another file"},
		"data file by name only":     {edit(edit(good, after, extensionExternalData, 4), after+4, 0, 4), "", "another file"},
		"encrypted":                  {edit(good, 32, 1, 4), "", "encrypted"},
		"encrypted with LUKS":        {edit(good, 32, 2, 4), "", "encrypted"},
		"marked as corrupt":          {edit(good, 72, featureCorrupt, 8), "", "corrupt"},
		"of the future":              {edit(good, 72, 1<<40, 8), "", "not known"},
		"of another version":         {edit(good, 4, 4, 4), "", "version 4"},
		"clusters of 4 GiB":          {edit(good, 20, 32, 4), "", "clusters"},
		"a header without end":       {edit(good, 100, 1<<31, 4), "", "header"},
		"extensions without end":     {edit(edit(good, after, 0x6803f857, 4), after+4, 1<<31, 4), "", "extensions"},
		"cut short":                  {good[:90], "", "cut short"},
		"tables out of the file":     {edit(good, 40, 1<<50, 8), "", "damaged"},
		"tables between clusters":    {edit(good, 40, 12345, 8), "", "qemu-img info"},
		"the last third missing":     {good[:len(good)*2/3], "", "cut short before it was published"},
		"qcow2, said to be raw":      {good, Raw, "said to be raw"},
		"raw, said to be qcow2":      {bootable(1 << 20), QCOW2, "said to be a qcow2"},
		"vmdk":                       {converted(t, "vmdk"), "", "VMDK"},
		"vmdk, said to be raw":       {converted(t, "vmdk"), Raw, "VMDK"},
		"vdi":                        {converted(t, "vdi"), "", "VDI"},
		"vhdx":                       {converted(t, "vhdx"), "", "VHDX"},
		"vmdk's descriptor":          {[]byte("# Disk DescriptorFile\nRW 4 FLAT \"/etc/shadow\" 0\n"), "", "descriptor"},
		"web page":                   {[]byte("<!DOCTYPE html><title>Not here</title>"), "", "web page"},
		"secret":                     {bytes.Repeat([]byte("root:x:0:0\n"), 100), Raw, "neither"},
		"nothing":                    {nil, "", "neither"},
		"packed":                     {[]byte("\xfd7zXZ\x00 and more"), "", "xz"},
		"no disk at all":             {edit(good, 24, 0, 8), "", "no size"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			source := newSite(t, c.content).image()
			source.Format = c.format
			refused(t, newStore(t, Config{}), source, Unsafe, c.says)
		})
	}
}

func TestGiantsAreRefused(t *testing.T) {
	good := disk(t)
	t.Run("disk", func(t *testing.T) {
		refused(t, newStore(t, Config{}), newSite(t, edit(good, 24, 1<<40, 8)).image(), TooLarge, "1024 GiB")
	})
	t.Run("beyond numbers", func(t *testing.T) {
		refused(t, newStore(t, Config{}), newSite(t, edit(good, 24, 1<<63, 8)).image(), TooLarge, "bytes")
	})
	small := quick
	small.Download = int64(len(good)) - 1
	t.Run("download", func(t *testing.T) {
		refused(t, newStore(t, Config{Bounds: small}), newSite(t, good).image(), TooLarge, "to download")
	})
	t.Run("download without a length", func(t *testing.T) {
		site := newSite(t, nil)
		site.misbehave = func(w http.ResponseWriter, _ *http.Request) bool {
			for range 200 { // ends all the same, should nobody go away
				if _, err := w.Write(good); err != nil {
					return true
				}
			}
			return true
		}
		refused(t, newStore(t, Config{Bounds: small}), site.image(), TooLarge, "to download")
	})
	t.Run("host", func(t *testing.T) {
		full := quick
		full.Reserve = 1 << 60
		refused(t, newStore(t, Config{Bounds: full}), newSite(t, good).image(), HostFull, "room")
	})
}

// bomb is a qcow2 of a few hundred kilobytes whose disk is of many megabytes: one cluster of a letter, everywhere.
func bomb(t *testing.T, megabytes int64) []byte {
	t.Helper()
	dir := t.TempDir()
	raw, path := filepath.Join(dir, "raw"), filepath.Join(dir, "bomb.qcow2")
	if err := os.WriteFile(raw, bytes.Repeat([]byte("x"), int(megabytes<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	qemuImg(t, "convert", "-c", "-f", "raw", "-O", "qcow2", raw, path)
	content := read(t, path)
	if int64(len(content)) > megabytes<<20/20 {
		t.Fatalf("the bomb is of %d bytes: it does not show much", len(content))
	}
	return content
}

func TestBombsGoOffWithinBounds(t *testing.T) {
	content := bomb(t, 96)
	t.Run("size", func(t *testing.T) {
		refused(t, newStore(t, Config{}), newSite(t, content).image(), TooLarge, "32 MiB when it is converted")
	})
	t.Run("time", func(t *testing.T) {
		hasty := quick
		hasty.Convert = 5 * time.Millisecond
		refused(t, newStore(t, Config{Bounds: hasty}), newSite(t, content).image(), TooLarge, "took more than 5ms")
	})
}

func TestChecksumsThatDoNotFit(t *testing.T) {
	site := newSite(t, disk(t))
	source := site.image()
	for checksum, says := range map[string]string{
		"sha256:" + strings.Repeat("0", 64):  "the profile says 0000",
		"sha512:" + strings.Repeat("0", 128): "its sha512 is",
	} {
		source.Checksum = checksum
		refused(t, newStore(t, Config{}), source, BadChecksum, says)
	}
	for _, checksum := range []string{"md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:abc", strings.Repeat("0", 64), "sha256:" + strings.Repeat("0", 128), "sha256:../../x"} {
		source.Checksum = checksum
		refused(t, newStore(t, Config{}), source, BadSource, "checksum")
	}
}

func TestSourcesThatCannotBe(t *testing.T) {
	s := newStore(t, Config{})
	for _, address := range []string{
		"ftp://example.com/os.img", "nbd://example.com/x", "ssh://example.com/etc/passwd", "json:{\"driver\":\"file\"}", "/etc/passwd", "http:///os.img",
		"file://elsewhere/os.img", "file:os.img", "file:///os%00.img", "http://example.com/%zz", "http://example.com/" + strings.Repeat("x", maxURL),
	} {
		refused(t, s, Source{URL: address}, BadSource, "")
	}
	refused(t, s, Source{URL: "http://example.com/x", Format: "vmdk"}, BadSource, "format")
	refused(t, s, Source{URL: "http://169.254.169.254/latest/meta-data"}, Forbidden, "link")
	refused(t, s, Source{URL: "http://[::ffff:169.254.169.254]/latest/meta-data"}, Forbidden, "link")
}

func TestServersThatFail(t *testing.T) {
	answers := map[int]Kind{404: NotFound, 410: NotFound, 401: Forbidden, 403: Forbidden, 400: BadSource, 204: BadSource, 429: Unavailable, 500: Unavailable, 503: Unavailable}
	for status, kind := range answers {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			site := newSite(t, nil)
			site.misbehave = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(status); return true }
			refused(t, newStore(t, Config{}), site.image(), kind, fmt.Sprint(status))
			want := 1
			if kind == Unavailable {
				want = quick.Tries
			}
			if asked := site.asked(); len(asked) != want {
				t.Errorf("asked %d times, want %d", len(asked), want)
			}
		})
	}
	t.Run("nobody", func(t *testing.T) {
		site := newSite(t, nil)
		site.Close()
		refused(t, newStore(t, Config{}), site.image(), Unavailable, "refused")
	})
}

func TestServerThatStalls(t *testing.T) {
	content := disk(t)
	for name, send := range map[string]int{"at once": -1, "within the head": 0, "within the file": 100_000} {
		t.Run(name, func(t *testing.T) {
			site := newSite(t, content)
			gone := make(chan struct{})
			t.Cleanup(func() { close(gone) })
			site.misbehave = func(w http.ResponseWriter, _ *http.Request) bool {
				if send >= 0 {
					w.Header().Set("Content-Length", fmt.Sprint(len(content)))
					_, _ = w.Write(content[:send])
					w.(http.Flusher).Flush()
				}
				<-gone
				return true
			}
			bounds := quick
			bounds.Stall, bounds.Tries = 100*time.Millisecond, 2
			began := time.Now()
			refused(t, newStore(t, Config{Bounds: bounds}), site.image(), Unavailable, "")
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestRedirects(t *testing.T) {
	content := disk(t)
	site := newSite(t, content)
	to := ""
	other := newSite(t, content)
	other.misbehave = func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, to, http.StatusFound)
		return true
	}
	to = site.URL + "/os.img"
	if base, err := newStore(t, Config{}).Get(t.Context(), other.image(), nil); err != nil || base.Digest != "sha256:"+sha(content) {
		t.Errorf("to a mirror: %+v, %v", base, err)
	}
	to = "file:///etc/passwd"
	refused(t, newStore(t, Config{}), other.image(), BadSource, "scheme")
	to = other.URL + "/os.img"
	refused(t, newStore(t, Config{}), other.image(), BadSource, "redirects more than")
	to = "http://169.254.169.254/"
	refused(t, newStore(t, Config{}), other.image(), Forbidden, "link")
}

func TestCredentialsAreNotRepeated(t *testing.T) {
	site := newSite(t, []byte("nothing"))
	s := newStore(t, Config{})
	for _, address := range []string{
		strings.Replace(site.URL, "http://", "http://user:hunter2@", 1) + "/os.img?token=hunter2",
		strings.Replace(site.URL, "http://", "http://user:hunter2@", 1) + "/gone?token=hunter2",
		"http://user:hunter2@127.0.0.1:1/os.img?token=hunter2", "ftp://user:hunter2@example.com/x", "http://user:hunter2@bad host/x",
	} {
		_, err := s.Get(t.Context(), Source{URL: address}, nil)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
	for _, name := range names(t, s.dir) {
		if bytes.Contains(read(t, filepath.Join(s.dir, name)), []byte("hunter2")) {
			t.Errorf("%s repeats them", name)
		}
	}
}

func TestFilesOfTheHost(t *testing.T) {
	folder := t.TempDir()
	content := disk(t)
	put := func(name string, content []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return "file://" + path
	}
	allowed := Config{Folders: []string{folder}}
	s := newStore(t, allowed)
	source := Source{URL: put("os.img", content)}
	base, err := s.Get(t.Context(), source, nil)
	if err != nil || base.Digest != "sha256:"+sha(content) {
		t.Fatalf("%+v, %v", base, err)
	}
	if again, err := s.Get(t.Context(), source, func(p Progress) { t.Errorf("%+v: it has not changed", p) }); err != nil || again.Digest != base.Digest {
		t.Errorf("%+v, %v", again, err)
	}
	other := disk(t, "-o", "cluster_size=4k")
	put("os.img", other)
	if changed, err := s.Get(t.Context(), source, nil); err != nil || changed.Digest != "sha256:"+sha(other) {
		t.Errorf("%+v, %v; it has changed", changed, err)
	}

	if err := os.Symlink("/etc/passwd", filepath.Join(folder, "link")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(folder, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, newStore(t, allowed), Source{URL: "file://" + folder + "/link"}, Forbidden, "leads out")
	refused(t, newStore(t, allowed), Source{URL: "file://" + folder + "/pipe"}, BadSource, "regular")
	refused(t, newStore(t, allowed), Source{URL: "file://" + folder}, BadSource, "regular")
	refused(t, newStore(t, allowed), Source{URL: "file://" + folder + "/none"}, NotFound, "no such file")
	refused(t, newStore(t, allowed), Source{URL: "file://" + folder + "/../../../../etc/passwd"}, Forbidden, "not in a folder")
	refused(t, newStore(t, allowed), Source{URL: "file:///etc/shadow", Format: Raw}, Forbidden, "not in a folder")
	refused(t, newStore(t, Config{}), source, Forbidden, "no folder is allowed")
}

// TestFullDisk has a small file system of its own.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to mount a small file system")
	}
	content := newSite(t, bootable(3<<20)).image()
	dir := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=5m"); err != nil {
		t.Skipf("mounting a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	s := newStore(t, Config{Dir: filepath.Join(dir, "images")})
	refused(t, s, content, HostFull, "room")
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=16m"); err != nil {
		t.Fatal(err)
	}
	if base, err := s.Get(t.Context(), content, nil); err != nil || base.Size != 3<<20 {
		t.Errorf("%+v, %v; there is room now", base, err)
	}
}

// FuzzInspect: whatever a header says, it is read within itself, and what is taken is what may be.
func FuzzInspect(f *testing.F) {
	version3 := make([]byte, 512)
	copy(version3, qcowMagic)
	binary.BigEndian.PutUint32(version3[4:], 3)
	binary.BigEndian.PutUint32(version3[20:], 16)
	binary.BigEndian.PutUint64(version3[24:], 1<<20)
	binary.BigEndian.PutUint32(version3[100:], 104)
	f.Add(version3, "")
	f.Add(edit(version3, 4, 2, 4), QCOW2)
	f.Add(bootable(512), Raw)
	f.Fuzz(func(t *testing.T, content []byte, format string) {
		found, size, err := inspect(bytes.NewReader(content), int64(len(content)), format)
		if err != nil {
			return
		}
		if size < 0 || found != QCOW2 && found != Raw || format == Raw && found != Raw || format == QCOW2 && found != QCOW2 {
			t.Errorf("taken as %q of %d bytes, given as %q", found, size, format)
		}
		if found == QCOW2 && (!bytes.Equal(content[8:20], make([]byte, 12)) || binary.BigEndian.Uint32(content[32:]) != 0) {
			t.Error("it has a backing file, or is encrypted")
		}
	})
}
