package main

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	modversion "golang.org/x/mod/module"
)

// stage returns the repository as the release of a version leaves it, and the download of each
// published module. A module's download holds the go.sum lines of our modules that it requires, so
// each is made after those.
func stage(files tree, version string) (tree, []download, error) {
	modules, err := files.modules()
	if err != nil {
		return nil, nil, err
	}
	if err := files.faults(modules); err != nil {
		return nil, nil, err
	}
	ours := byPath(modules)
	files = maps.Clone(files)
	if work, ok := files["go.work"]; ok {
		if files["go.work"], err = setWorkspace(work, modules, version); err != nil {
			return nil, nil, err
		}
	}

	var downloads []download
	sums := map[string]download{}
	for _, m := range modules {
		gomod, gosum := path.Join(m.dir, "go.mod"), path.Join(m.dir, "go.sum")
		required := slices.Sorted(maps.Keys(m.requires(ours)))
		if len(required) > 0 {
			for _, r := range required {
				if err := m.file.AddRequire(r, version); err != nil {
					return nil, nil, err
				}
			}
			if files[gomod], err = m.file.Format(); err != nil {
				return nil, nil, err
			}
		}
		if lines := setSums(files[gosum], ours, required, sums); len(lines) > 0 {
			files[gosum] = lines
		}
		if !m.published() {
			continue
		}
		d, err := files.download(m, version)
		if err != nil {
			return nil, nil, err
		}
		downloads, sums[m.path()] = append(downloads, d), d
	}
	return files, downloads, nil
}

// setWorkspace has go.work replace each module that another requires, at the version that is
// required: until that version is published, nothing else tells the go command what it requires.
func setWorkspace(text []byte, modules []module, version string) ([]byte, error) {
	work, err := modfile.ParseWork("go.work", text, nil)
	if err != nil {
		return nil, err
	}
	ours, required := byPath(modules), map[string]bool{}
	for _, m := range modules {
		for r := range m.requires(ours) {
			required[r] = true
		}
	}
	for _, r := range work.Replace {
		if _, ok := ours[r.Old.Path]; !ok {
			continue
		}
		if at := slices.Index(r.Syntax.Token, r.Old.Version); required[r.Old.Path] && at >= 0 {
			r.Syntax.Token[at], r.Old.Version = version, version
			delete(required, r.Old.Path)
		} else if err := work.DropReplace(r.Old.Path, r.Old.Version); err != nil {
			return nil, err
		}
	}
	for _, r := range slices.Sorted(maps.Keys(required)) { // those that go.work lacks
		if err := work.AddReplace(r, version, "./"+strings.TrimPrefix(ours[r].dir, "."), ""); err != nil {
			return nil, err
		}
	}
	work.Cleanup()
	return modfile.Format(work.Syntax), nil
}

// setSums returns the text of a go.sum with the lines of the required modules of ours, and no others
// of ours.
func setSums(text []byte, ours map[string]module, required []string, sums map[string]download) []byte {
	type line struct {
		of   modversion.Version // for the go.mod alone, the version ends in "/go.mod"
		text string
	}
	var lines []line
	for old := range bytes.Lines(text) {
		fields := strings.Fields(string(old))
		if len(fields) != 3 {
			continue
		}
		if _, ok := ours[fields[0]]; !ok {
			lines = append(lines, line{modversion.Version{Path: fields[0], Version: fields[1]}, strings.Join(fields, " ")})
		}
	}
	for _, r := range required {
		d := sums[r]
		lines = append(lines,
			line{d.version, fmt.Sprintf("%s %s %s", d.version.Path, d.version.Version, d.sum)},
			line{modversion.Version{Path: d.version.Path, Version: d.version.Version + "/go.mod"},
				fmt.Sprintf("%s %s/go.mod %s", d.version.Path, d.version.Version, d.gomodSum)})
	}
	order := make([]modversion.Version, len(lines))
	texts := map[modversion.Version]string{}
	for i, l := range lines {
		order[i], texts[l.of] = l.of, l.text
	}
	modversion.Sort(order) // as the go command sorts them
	var b bytes.Buffer
	for _, of := range order {
		fmt.Fprintln(&b, texts[of])
	}
	return b.Bytes()
}
