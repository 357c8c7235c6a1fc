package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Collect removes bases that are not in use and were not asked for within a time, and downloads that nobody went on
// with for so long. InUse are digests; a base that a machine's disk lies over must be among them. The time is to be
// longer than it takes from a Get to a record of who uses it. It gives the digests of what it removed. While an image is
// converted it removes nothing, and does not wait for that: there is a next time.
func (s *Store) Collect(inUse []string, unused time.Duration) ([]string, error) {
	select {
	case s.converter <- struct{}{}: // nothing becomes a base while we look
		defer func() { <-s.converter }()
	default:
		return nil, nil
	}
	names, err := s.files()
	if err != nil {
		return nil, fmt.Errorf("collecting images: %w", err)
	}
	var removed []string
	var errs []error
	for _, file := range names {
		if !s.older(file, unused) {
			continue
		}
		sha256, isRecord := strings.CutSuffix(file, ".json")
		switch {
		case isRecord && hexDigest.MatchString(sha256) && !slices.Contains(inUse, name(sha256)):
			// The record first: what has none is no base, and is removed when the store is opened.
			errs = append(errs, os.Remove(s.record(sha256)), os.Remove(s.path(sha256)))
			removed = append(removed, name(sha256))
		case isDownload(file) && !s.flies(file):
			errs = append(errs, os.Remove(filepath.Join(s.dir, file)))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return removed, fmt.Errorf("collecting images: %w", err)
	}
	return removed, nil
}

func isDownload(file string) bool {
	return strings.HasSuffix(file, ".partial") || strings.HasSuffix(file, ".mark") || strings.HasSuffix(file, ".source.json")
}

// flies tells whether a file belongs to a Get that is on its way.
func (s *Store) flies(file string) bool {
	key, _, _ := strings.Cut(file, ".")
	s.mu.Lock()
	defer s.mu.Unlock()
	_, flies := s.flights[key]
	return flies
}

func (s *Store) older(file string, than time.Duration) bool {
	info, err := os.Lstat(filepath.Join(s.dir, file))
	return err == nil && time.Since(info.ModTime()) >= than
}

func (s *Store) files() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// undo removes what a killed one had not finished: files under their first name, and bases without a record.
func (s *Store) undo() error {
	names, err := s.files()
	if err != nil {
		return err
	}
	var errs []error
	for _, file := range names {
		sha256, isBase := strings.CutSuffix(file, ".qcow2")
		orphan := isBase && hexDigest.MatchString(sha256) && !slices.Contains(names, sha256+".json")
		if orphan || strings.HasSuffix(file, ".new") {
			errs = append(errs, os.Remove(filepath.Join(s.dir, file)))
		}
	}
	return errors.Join(errs...)
}
