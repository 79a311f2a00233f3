package bench

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// measureLoad runs portico load as a child process on a file of generated
// Observations and an empty store.
func measureLoad(ctx context.Context, o options, dir string) (row, error) {
	file := filepath.Join(dir, "load.ndjson")
	bytes, err := writeResources(file, o.resources)
	if err != nil {
		return row{}, err
	}
	r, err := loadFile(ctx, file, filepath.Join(dir, "loaded"), o.resources, bytes)
	r.Name, r.What = nameLoad, "portico load of generated Observations into an empty store, start and end included"
	return r, err
}

// loadFile runs portico load on a file of so many resources and bytes.
func loadFile(ctx context.Context, file, data string, resources int, bytes int64) (row, error) {
	self, err := os.Executable()
	if err != nil {
		return row{}, err
	}
	cmd := exec.CommandContext(ctx, self, "load", "--store", "sqlite:"+data, file)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = longest
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return row{}, fmt.Errorf("portico load: %w: %s", err, out[max(0, len(out)-2000):])
	}
	took := time.Since(began)
	disk, err := sizeOf(data)
	if err != nil {
		return row{}, err
	}
	n := float64(resources)
	used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return row{
		Ops: resources, Rate: n / took.Seconds(), CPU: float64(used.Microseconds()) / n,
		Size: float64(bytes) / n, Disk: float64(disk) / n,
	}, nil
}

// writeResources writes n resources, one a line, and gives the size of the file.
func writeResources(path string, n int) (size int64, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	for i := range n {
		line := append(observation(i), '\n')
		size += int64(len(line))
		if _, err := w.Write(line); err != nil {
			return size, err
		}
	}
	return size, w.Flush()
}

// sizeOf is the size of all files below dir.
func sizeOf(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		size += info.Size()
		return nil
	})
	return size, err
}
