package main

import (
	archivezip "archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	modversion "golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/zip"
)

// download is what a module proxy serves of one version of a module.
type download struct {
	version  modversion.Version
	gomod    []byte
	zip      []byte
	sum      string // of the zip, as go.sum has it
	gomodSum string
}

// download makes the zip that the go command makes of a tagged commit: the files of the module
// without those of modules in its folders, and the license of the root where the module has none.
func (files tree) download(m module, version string) (download, error) {
	content := files.below(m.dir)
	if _, ok := content["LICENSE"]; !ok && files["LICENSE"] != nil {
		content["LICENSE"] = files["LICENSE"]
	}
	d := download{version: modversion.Version{Path: m.path(), Version: version}, gomod: content["go.mod"]}

	var list []zip.File
	for _, name := range content.names() {
		list = append(list, file{name, content[name]})
	}
	var b bytes.Buffer
	if err := zip.Create(&b, d.version, list); err != nil {
		return download{}, err
	}
	d.zip = b.Bytes()

	archive, err := archivezip.NewReader(bytes.NewReader(d.zip), int64(len(d.zip)))
	if err != nil {
		return download{}, err
	}
	var names []string
	for _, f := range archive.File {
		names = append(names, f.Name)
	}
	d.sum, err = dirhash.Hash1(names, func(name string) (io.ReadCloser, error) { return archive.Open(name) })
	if err != nil {
		return download{}, err
	}
	d.gomodSum, err = dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(d.gomod)), nil
	})
	return d, err
}

// writeProxy writes the files that the go command reads from GOPROXY=file://dir.
func writeProxy(dir string, downloads []download) error {
	files := tree{}
	for _, d := range downloads {
		escaped, err := modversion.EscapePath(d.version.Path)
		if err != nil {
			return err
		}
		info, err := json.Marshal(struct{ Version string }{d.version.Version})
		if err != nil {
			return err
		}
		at := path.Join(escaped, "@v")
		files[path.Join(at, "list")] = []byte(d.version.Version + "\n")
		files[path.Join(at, d.version.Version+".info")] = info
		files[path.Join(at, d.version.Version+".mod")] = d.gomod
		files[path.Join(at, d.version.Version+".zip")] = d.zip
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return files.write(filepath.Clean(dir))
}

// file is a file in memory, in the form that package zip reads.
type file struct {
	path    string
	content []byte
}

func (f file) Path() string                 { return f.path }
func (f file) Lstat() (fs.FileInfo, error)  { return f, nil }
func (f file) Open() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(f.content)), nil }

func (f file) Name() string       { return path.Base(f.path) }
func (f file) Size() int64        { return int64(len(f.content)) }
func (f file) Mode() fs.FileMode  { return 0o644 }
func (f file) ModTime() time.Time { return time.Time{} }
func (f file) IsDir() bool        { return false }
func (f file) Sys() any           { return nil }
