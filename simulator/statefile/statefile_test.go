package statefile_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"stargate.io/stargate/simulator/statefile"
)

var format = statefile.Format{Kind: "fruit", Version: 3}

type fruit struct {
	Name string   `json:"name"`
	Seen int      `json:"seen,omitempty"`
	Bulk []string `json:"bulk,omitempty"`
}

// What a child of this test does, and where, is told by its environment.
const (
	roleEnv   = "STATEFILE_TEST_ROLE"
	folderEnv = "STATEFILE_TEST_FOLDER"
)

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "write":
		writeForEver(os.Getenv(folderEnv))
	case "hold":
		hold(os.Getenv(folderEnv))
	}
	os.Exit(m.Run())
}

// writeForEver writes 1, 2, 3 …, each with a bulk that fits its number, and tells each once it is down.
func writeForEver(folder string) {
	for i := 1; ; i++ {
		if err := format.Write(filepath.Join(folder, "fruit.json"), numbered(i)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(i)
	}
}

func numbered(i int) fruit {
	f := fruit{Name: "apple", Seen: i, Bulk: make([]string, 1+i%500)}
	for k := range f.Bulk {
		f.Bulk[k] = strconv.Itoa(i)
	}
	return f
}

// hold takes the lock, starts a program that would inherit it if anything did, says so, and stays.
func hold(folder string) {
	if _, err := statefile.Take(folder); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	sleeper := exec.Command("sleep", "60")
	if err := sleeper.Start(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(sleeper.Process.Pid)
	select {}
}

func child(t *testing.T, role, folder string) (*exec.Cmd, func() string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"="+role, folderEnv+"="+folder)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, func() string {
		line := make([]byte, 0, 64)
		for one := make([]byte, 1); ; line = append(line, one[0]) {
			if _, err := out.Read(one); err != nil || one[0] == '\n' {
				return string(line)
			}
		}
	}
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fruit.json")
	for _, want := range []fruit{{Name: "apple"}, {Name: "<pear> & \u2028", Seen: 2}} {
		if err := format.Write(path, want); err != nil {
			t.Fatal(err)
		}
		var got fruit
		if err := format.Read(path, &got); err != nil || got.Name != want.Name || got.Seen != want.Seen {
			t.Fatalf("got %+v, %v; want %+v", got, err, want)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v: others could read it", info.Mode(), err)
	}
	if err := errors.Join(statefile.Remove(path), statefile.Remove(path)); err != nil {
		t.Errorf("removing twice: %v", err)
	}
	if err := format.Read(path, &fruit{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading what was removed: %v", err)
	}
	onlyThese(t, filepath.Dir(path))
}

func TestReadRefuses(t *testing.T) {
	folder := t.TempDir()
	for name, c := range map[string]struct {
		text string
		want error
		says string
	}{
		"empty":           {"", statefile.ErrDamaged, "unexpected end"},
		"cut":             {`{"kind":"fruit","version":3,"state":{"na`, statefile.ErrDamaged, "unexpected end"},
		"another kind":    {`{"kind":"shoe","version":3,"state":{}}`, statefile.ErrDamaged, `"shoe"`},
		"newer":           {`{"kind":"fruit","version":4,"state":{"colour":"red"}}`, statefile.ErrVersion, "version 4"},
		"no version":      {`{"kind":"fruit","state":{}}`, statefile.ErrVersion, "version 0"},
		"no state":        {`{"kind":"fruit","version":3}`, statefile.ErrDamaged, "EOF"},
		"unknown field":   {`{"kind":"fruit","version":3,"state":{"colour":"red"}}`, statefile.ErrDamaged, "colour"},
		"two of them":     {`{"kind":"fruit","version":3,"state":{}}{}`, statefile.ErrDamaged, "after top-level"},
		"without end":     {strings.Repeat("[", statefile.MaxBytes+1), statefile.ErrDamaged, "more than"},
		"deep":            {strings.Repeat("[", 1<<20), statefile.ErrDamaged, "depth"},
		"another's shape": {`[]`, statefile.ErrDamaged, "array"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(folder, "f.json")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			err := format.Read(path, &fruit{})
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want %v that says %q", err, c.want, c.says)
			}
		})
	}
}

func TestReadFollowsNoLinkAndWaitsForNobody(t *testing.T) {
	folder := t.TempDir()
	real, link, pipe := filepath.Join(folder, "real"), filepath.Join(folder, "link"), filepath.Join(folder, "pipe")
	if err := errors.Join(format.Write(real, fruit{Name: "apple"}), os.Symlink(real, link), syscall.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, pipe, folder} {
		if err := format.Read(path, &fruit{}); !errors.Is(err, statefile.ErrDamaged) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestWriteRefusesWhatItWouldNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fruit.json")
	if err := format.Write(path, fruit{Name: "apple"}); err != nil {
		t.Fatal(err)
	}
	if err := format.Write(path, fruit{Name: strings.Repeat("x", statefile.MaxBytes)}); err == nil {
		t.Error("a file larger than MaxBytes was written")
	}
	var got fruit
	if err := format.Read(path, &got); err != nil || got.Name != "apple" {
		t.Errorf("after the refusal: %+v, %v", got, err)
	}
	if err := format.Write(filepath.Join(path, "no", "folder"), fruit{}); err == nil {
		t.Error("a file was written into a folder that is not there")
	}
	onlyThese(t, filepath.Dir(path), "fruit.json")
}

// TestKilledWhileWriting kills a writer at whatever it is at, many times: what it said is down is there, or the next is.
func TestKilledWhileWriting(t *testing.T) {
	folder := t.TempDir()
	for round := range 25 {
		cmd, line := child(t, "write", folder)
		told := 0
		for range 1 + 3*round {
			n, err := strconv.Atoi(line())
			if err != nil {
				t.Fatalf("the writer said: %v", err)
			}
			told = n
		}
		// It goes on writing while it dies; what it says meanwhile stays in the pipe, or is lost with it.
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for text := line(); text != ""; text = line() {
			if n, err := strconv.Atoi(text); err == nil {
				told = n
			}
		}
		_ = cmd.Wait()
		var got fruit
		if err := format.Read(filepath.Join(folder, "fruit.json"), &got); err != nil {
			t.Fatal(err)
		}
		if got.Seen != told && got.Seen != told+1 {
			t.Fatalf("it said that %d is down, and there is %d", told, got.Seen)
		}
		if want := numbered(got.Seen); len(got.Bulk) != len(want.Bulk) || got.Bulk[len(got.Bulk)-1] != want.Bulk[0] {
			t.Fatalf("%d holds another's bulk: %d, not %d", got.Seen, len(got.Bulk), len(want.Bulk))
		}
		if err := statefile.Sweep(folder); err != nil {
			t.Fatal(err)
		}
		onlyThese(t, folder, "fruit.json")
	}
}

func TestMakeFolder(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := statefile.MakeFolder(folder); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others can enter it: %v, %v", info.Mode(), err)
	}
	file, link := filepath.Join(folder, "file"), filepath.Join(folder, "link")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Symlink("/", link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link, filepath.Join(folder, "no", "parent")} {
		if err := statefile.MakeFolder(path); err == nil {
			t.Errorf("%s was taken for a folder", path)
		}
	}
}

func TestOneOwner(t *testing.T) {
	folder := t.TempDir()
	cmd, line := child(t, "hold", folder)
	sleeper, err := strconv.Atoi(line())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(sleeper, syscall.SIGKILL) })

	var held *statefile.Held
	if _, err := statefile.Take(folder); !errors.As(err, &held) || held.PID != cmd.Process.Pid || !strings.Contains(err.Error(), folder) {
		t.Fatalf("a second owner: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	// The owner is gone and what it started lives: the lock is free at once.
	if err := syscall.Kill(sleeper, 0); err != nil {
		t.Fatalf("what the owner started is gone: %v", err)
	}
	lock, err := statefile.Take(folder)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := statefile.Take(folder); !errors.As(err, &held) || held.PID != os.Getpid() {
		t.Errorf("a second owner in one process: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	again, err := statefile.Take(folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Release(); err != nil {
		t.Error(err)
	}
}

// onlyThese fails when a folder holds anything else.
func onlyThese(t *testing.T, folder string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	if strings.Join(found, " ") != strings.Join(names, " ") {
		t.Errorf("%s holds %q, and is to hold %q", folder, found, names)
	}
}
