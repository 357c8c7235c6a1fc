package bmc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Media says where media are kept, and bounds them. Folder is required.
type Media struct {
	// Folder in which each machine has one of its own.
	Folder string
	// Folders whose files may be given as file URLs; none lets none be.
	Folders []string
	// MaxBytes of a medium; zero is 4 GiB.
	MaxBytes int64
	// Timeout of fetching one; zero is ten minutes.
	Timeout time.Duration
}

const (
	mediumPrefix   = "medium-"
	defaultMedium  = 4 << 30
	defaultFetch   = 10 * time.Minute
	maxRedirects   = 5
	maxReplyHeader = 64 << 10
)

// fetch copies an image into a file of its own in a folder, and gives the file's path. The copy is what is used from then
// on, whatever becomes of the original.
func (m Media) fetch(ctx context.Context, folder string, wanted insertion) (path string, err error) {
	if m.MaxBytes <= 0 {
		m.MaxBytes = defaultMedium
	}
	if m.Timeout <= 0 {
		m.Timeout = defaultFetch
	}
	ctx, cancel := context.WithTimeout(ctx, m.Timeout)
	defer cancel()
	from, err := m.open(ctx, wanted)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("making the media folder: %w", err)
	}
	file, err := os.CreateTemp(folder, mediumPrefix+"*.iso")
	if err != nil {
		return "", fmt.Errorf("making the medium's file: %w", err)
	}
	copied, err := io.Copy(file, io.LimitReader(from, m.MaxBytes+1))
	if err == nil {
		err = file.Sync()
	}
	switch {
	case err != nil:
		err = fmt.Errorf("copying the image: %w", err)
	case copied > m.MaxBytes:
		err = fmt.Errorf("it is larger than the %d bytes that are allowed", m.MaxBytes)
	case copied == 0:
		err = errors.New("it is empty")
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}

func (m Media) open(ctx context.Context, wanted insertion) (io.ReadCloser, error) {
	if wanted.image.Scheme == "file" {
		return m.openFile(wanted.image)
	}
	return m.openHTTP(ctx, wanted)
}

// openFile opens a regular file below one of the folders, from which no link leads out.
func (m Media) openFile(from *url.URL) (io.ReadCloser, error) {
	if from.Host != "" && from.Host != "localhost" {
		return nil, errors.New("a file URL of another host cannot be read")
	}
	for _, folder := range m.Folders {
		if name, err := filepath.Rel(folder, from.Path); err == nil && filepath.IsLocal(name) {
			return openBelow(folder, name)
		}
	}
	return nil, errors.New("it is in no folder whose files are offered here")
}

func openBelow(folder, name string) (io.ReadCloser, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("opening the folder: %w", err)
	}
	defer func() { _ = root.Close() }() // what was opened in it stays open
	// Not blocking, so that a pipe is refused instead of waited for.
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("opening it: %w", err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func (m Media) openHTTP(ctx context.Context, wanted insertion) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, wanted.image.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("asking for it: %w", err)
	}
	if wanted.user != "" || wanted.password != "" {
		request.SetBasicAuth(wanted.user, wanted.password)
	}
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true, MaxResponseHeaderBytes: maxReplyHeader, TLSHandshakeTimeout: 30 * time.Second}
	client := &http.Client{Transport: transport, CheckRedirect: sameHost}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking for it: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("its server answered %s", strings.ToValidUTF8(response.Status, "?")), response.Body.Close())
	}
	return response.Body, nil
}

// sameHost follows few redirects, and none that would take credentials to another host.
func sameHost(next *http.Request, before []*http.Request) error {
	if len(before) > maxRedirects {
		return errors.New("it is redirected too often")
	}
	if before[0].Header.Get("Authorization") != "" && next.URL.Host != before[0].URL.Host {
		return errors.New("it is redirected to another host, to which its password is not sent")
	}
	return nil
}
