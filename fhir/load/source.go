package load

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// document is one JSON value of a source: a resource or a Bundle.
type document struct {
	line int // from 1, in NDJSON; 0 when it is all there is
	raw  []byte
	err  error // why there is no raw
}

// limits bound what is held in memory.
type limits struct{ line, whole int64 }

// source is something to load from.
type source interface {
	name() string
	// again reports whether read gives the same a second time.
	again() bool
	read(ctx context.Context, max limits, emit func(document) error) error
}

// file is a source on disk.
type file struct{ path string }

func (f file) name() string { return f.path }
func (f file) again() bool  { return true }

func (f file) read(ctx context.Context, max limits, emit func(document) error) error {
	in, err := os.Open(f.path)
	if err != nil {
		return err
	}
	c, err := open(in, max)
	if err == nil {
		err = c.documents(ctx, max, emit)
	}
	return errors.Join(err, in.Close())
}

// stream is a source that is there once. When it is not NDJSON it is held in
// memory and can be read again.
type stream struct {
	label string
	content
	err error // it could not be opened
}

func (s stream) name() string { return s.label }
func (s stream) again() bool  { return s.err == nil && s.rest == nil }

func (s stream) read(ctx context.Context, max limits, emit func(document) error) error {
	if s.err != nil {
		return s.err
	}
	return s.documents(ctx, max, emit)
}

// files lists what to load below the paths: a path that is named is loaded
// whatever its name.
func files(paths []string) (sources []source, skipped int, err error) {
	for _, p := range paths {
		var found []string
		err := filepath.WalkDir(p, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case path == p && !d.IsDir():
				found = append(found, path)
			case path != p && strings.HasPrefix(d.Name(), "."):
				if d.IsDir() {
					return fs.SkipDir
				}
				skipped++
			case d.IsDir():
			case loadable(path, d):
				found = append(found, path)
			default:
				skipped++
			}
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
		slices.Sort(found)
		for _, f := range found {
			sources = append(sources, file{f})
		}
	}
	return sources, skipped, nil
}

func loadable(path string, d fs.DirEntry) bool {
	name := strings.TrimSuffix(strings.ToLower(d.Name()), ".gz")
	switch filepath.Ext(name) {
	case ".json", ".ndjson", ".jsonl":
	default:
		return false
	}
	if d.Type()&fs.ModeSymlink != 0 {
		info, err := os.Stat(path)
		return err == nil && info.Mode().IsRegular()
	}
	return d.Type().IsRegular()
}

// content is what a source holds: one JSON value, or NDJSON of which the first
// line was read.
type content struct {
	head   []byte
	rest   *bufio.Reader // nil: head is all
	number int           // of the line that head is
}

// open finds out what r holds: NDJSON, when the first line is a whole JSON value and more
// follows, else one value. It unpacks gzip, which it knows by its first bytes.
func open(r io.Reader, max limits) (content, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unzip, err := gzip.NewReader(in)
		if err != nil {
			return content{}, err
		}
		in = bufio.NewReaderSize(unzip, 64<<10)
	}
	if bom, _ := in.Peek(3); bytes.Equal(bom, []byte("\xef\xbb\xbf")) {
		if _, err := in.Discard(3); err != nil {
			return content{}, err
		}
	}
	first, number, err := firstLine(in, max.whole)
	if err != nil {
		return content{}, err
	}
	if complete(first) && follows(in) {
		return content{first, in, number}, nil
	}
	all, err := readAll(in, first, max.whole)
	return content{head: all}, err
}

// documents emits the JSON values.
func (c content) documents(ctx context.Context, max limits, emit func(document) error) error {
	if c.rest == nil {
		return emit(document{raw: c.head})
	}
	return lines(ctx, c.rest, c.head, c.number, max.line, emit)
}

// firstLine reads the first line that is not blank, and gives its number.
func firstLine(in *bufio.Reader, max int64) (line []byte, number int, err error) {
	for number = 1; ; number++ {
		line, err = readLine(in, max)
		if len(bytes.TrimSpace(line)) > 0 {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return line, number, err
		}
		if errors.Is(err, io.EOF) {
			return nil, 0, fhir.Errorf(fhir.CodeStructure, "", "it is empty")
		}
		if err != nil {
			return nil, 0, err
		}
	}
}

// follows reports whether more than white space is to come; as far as the buffer
// reaches, which then counts as content.
func follows(in *bufio.Reader) bool {
	head, err := in.Peek(in.Size())
	return err == nil || len(bytes.TrimSpace(head)) > 0
}

// lines emits one document for each line that is not blank.
func lines(ctx context.Context, in *bufio.Reader, line []byte, number int, max int64, emit func(document) error) error {
	for more := true; more; number++ {
		content := bytes.TrimSpace(line)
		d := document{line: number, raw: content}
		if int64(len(content)) > max {
			d = document{line: number, err: fhir.Errorf(fhir.CodeTooLong, "", "the line has more than %d bytes", max)}
		}
		if len(content) > 0 {
			if err := emit(d); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		line, err = readLine(in, max)
		more = len(line) > 0 || err == nil
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	return nil
}

// readLine reads up to and with the next line feed into memory of its own; at
// the end io.EOF comes along with what is left. Of a line that is longer than max it
// gives a little more than max bytes, and skips the rest.
func readLine(in *bufio.Reader, max int64) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		if int64(len(line)) <= max+2 {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

func readAll(in io.Reader, head []byte, max int64) ([]byte, error) {
	buf := bytes.NewBuffer(head)
	if _, err := io.Copy(buf, io.LimitReader(in, max-int64(len(head))+1)); err != nil {
		return nil, err
	}
	if int64(buf.Len()) > max {
		return nil, fhir.Errorf(fhir.CodeTooLong, "", "it has more than %d bytes, unpacked", max)
	}
	return buf.Bytes(), nil
}
