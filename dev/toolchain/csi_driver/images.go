package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// smallest is the least that mkfs.xfs makes a file system of.
const smallest = 300 << 20

const block = 4096

// images are the files that hold volumes and snapshots: DIR/volumes/ID.img and DIR/snapshots/ID.img with ID.json.
type images struct{ dir string }

// snapshot is what is known of a snapshot beside its content.
type snapshot struct {
	ID     string
	Source string
	Bytes  int64
	Taken  time.Time
}

func (i images) make() error {
	for _, folder := range []string{"volumes", "snapshots"} {
		if err := os.MkdirAll(filepath.Join(i.dir, folder), 0o700); err != nil {
			return err
		}
	}
	return nil
}

func (i images) volume(id string) string   { return filepath.Join(i.dir, "volumes", id+".img") }
func (i images) snapshot(id string) string { return filepath.Join(i.dir, "snapshots", id+".img") }
func (i images) about(id string) string    { return filepath.Join(i.dir, "snapshots", id+".json") }

// checkID refuses what would lead out of the folder.
func checkID(what, id string) error {
	if id == "" || strings.ContainsAny(id, "/\\") || id[0] == '.' {
		return status.Errorf(codes.InvalidArgument, "%s: %q is no id", what, id)
	}
	return nil
}

// existing gives the image of a volume that must be there.
func (i images) existing(id string) (string, error) {
	if err := checkID("volume", id); err != nil {
		return "", err
	}
	image := i.volume(id)
	if length(image) < 0 {
		return "", status.Errorf(codes.NotFound, "there is no volume %s", id)
	}
	return image, nil
}

// create makes the image of a new volume: empty, or a copy of an image that holds a file system already.
func (i images) create(id, source string, bytes int64) error {
	unfinished := i.volume(id) + ".new"
	if source == "" {
		if err := os.WriteFile(unfinished, nil, 0o600); err != nil {
			return err
		}
	} else if err := copyFrozen(source, unfinished); err != nil {
		return err
	}
	if err := os.Truncate(unfinished, bytes); err != nil {
		return err
	}
	if source == "" {
		if err := run("mkfs.xfs", "-q", "-f", unfinished); err != nil {
			return err
		}
	}
	return os.Rename(unfinished, i.volume(id))
}

// take makes a snapshot; what is known of it is written last, so that one without it does not exist.
func (i images) take(id, source string) (snapshot, error) {
	image := i.volume(source)
	taken := snapshot{ID: id, Source: source, Bytes: length(image), Taken: time.Now()}
	if err := copyFrozen(image, i.snapshot(id)); err != nil {
		return taken, err
	}
	about, err := json.Marshal(taken)
	if err != nil {
		return taken, err
	}
	return taken, os.WriteFile(i.about(id), about, 0o600)
}

// find gives a snapshot, or an error for which os.IsNotExist is true.
func (i images) find(id string) (snapshot, error) {
	var found snapshot
	about, err := os.ReadFile(i.about(id))
	if err != nil {
		return found, err
	}
	return found, json.Unmarshal(about, &found)
}

func (i images) all() ([]snapshot, error) {
	paths, err := filepath.Glob(i.about("*"))
	if err != nil {
		return nil, err
	}
	var found []snapshot
	for _, path := range paths {
		one, err := i.find(strings.TrimSuffix(filepath.Base(path), ".json"))
		if err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	return found, nil
}

// remove deletes files; those that are gone already are no error.
func remove(paths ...string) error {
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// length is the size of a file in bytes, or -1 when there is none.
func length(path string) int64 {
	found, err := os.Stat(path)
	if err != nil {
		return -1
	}
	return found.Size()
}

// copyFrozen copies an image of which nothing is written meanwhile; holes stay holes.
func copyFrozen(from, to string) error {
	if _, place := loopOf(from); place != "" {
		if err := run("fsfreeze", "--freeze", place); err != nil {
			return err
		}
		defer run("fsfreeze", "--unfreeze", place)
	}
	unfinished := to + ".copy"
	if err := run("cp", "--sparse=always", "--reflink=auto", from, unfinished); err != nil {
		return errors.Join(err, remove(unfinished))
	}
	return os.Rename(unfinished, to)
}

// loopOf gives the loop device that holds an image and one place where it is mounted; both are empty for none.
func loopOf(image string) (device, place string) {
	out, _ := exec.Command("losetup", "--noheadings", "--output", "NAME", "--associated", image).Output()
	device, _, _ = strings.Cut(strings.TrimSpace(string(out)), "\n")
	if device == "" {
		return "", ""
	}
	mounts, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == device {
			return device, fields[1]
		}
	}
	return device, ""
}

func isMounted(path string) bool { return exec.Command("mountpoint", "--quiet", path).Run() == nil }

func unmount(path string) error {
	if !isMounted(path) {
		return nil
	}
	return run("umount", path)
}

// run gives an error that holds the command's own words.
func run(name string, arguments ...string) error {
	if out, err := exec.Command(name, arguments...).CombinedOutput(); err != nil {
		return status.Errorf(codes.Internal, "%s %s: %v: %s", name, strings.Join(arguments, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
