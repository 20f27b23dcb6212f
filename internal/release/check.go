package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/mod/semver"
)

// check returns everything that stands in the way of a release, but for what CI finds.
func check(dir string, files tree, version string) error {
	if err := checkVersion(version); err != nil {
		return err
	}
	var all []error
	if status, err := git(dir, "status", "--porcelain"); err != nil {
		all = append(all, err)
	} else if status != "" {
		all = append(all, fmt.Errorf("the working tree is not clean:\n%s", strings.TrimSuffix(status, "\n")))
	}
	all = append(all, checkChangelog(string(files["CHANGELOG.md"]), version))
	if tags, err := files.tags(version); err != nil {
		all = append(all, err)
	} else if existing, err := git(dir, append([]string{"tag", "--list"}, tags...)...); err != nil {
		all = append(all, err)
	} else if existing != "" {
		all = append(all, fmt.Errorf("tags exist: %s", strings.Join(strings.Fields(existing), " ")))
	}
	_, _, err := stage(files, version)
	return errors.Join(append(all, err)...)
}

// checkVersion accepts versions that the module paths, which end in no /v2, can have.
func checkVersion(version string) error {
	if semver.Canonical(version) != version || version == "" {
		return fmt.Errorf("version %q: want the form v0.1.0", version)
	}
	if major := semver.Major(version); major != "v0" && major != "v1" {
		return fmt.Errorf("version %s: from v2 on, module paths end in the major version", version)
	}
	return nil
}

var heading = regexp.MustCompile(`(?m)^## \[(.+)\](.*)$`)

// checkChangelog wants a section of the version, with a date and at least one entry.
func checkChangelog(text, version string) error {
	sections := heading.FindAllStringSubmatchIndex(text, -1)
	for i, at := range sections {
		if text[at[2]:at[3]] != strings.TrimPrefix(version, "v") {
			continue
		}
		if !regexp.MustCompile(`^ - \d{4}-\d{2}-\d{2}$`).MatchString(text[at[4]:at[5]]) {
			return fmt.Errorf("CHANGELOG.md: the section of %s has no date", version)
		}
		end := len(text)
		if i+1 < len(sections) {
			end = sections[i+1][0]
		}
		if !strings.Contains(text[at[1]:end], "\n- ") {
			return fmt.Errorf("CHANGELOG.md: the section of %s is empty", version)
		}
		return nil
	}
	return fmt.Errorf("CHANGELOG.md has no section of %s", version)
}
