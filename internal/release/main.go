// Command release prepares the modules of this repository for their users. It reads the files that
// git tracks, as they are in the working tree, and never the network.
//
//	release modules          prints the folder of every module, the root's first
//	release scratch DIR      writes DIR/tree, the repository as a release leaves it, and DIR/proxy, a
//	                         module proxy made of files, at the version that the modules require of each other
//	release check VERSION    reports what stands in the way of a release
//	release set VERSION      sets what the modules require of each other, writes the go.sum lines of
//	                         our own modules, and prints the commands that commit, tag and push
//
// The flag -C DIR names the root of the repository; the default is the current folder. `make release`
// runs check, all that CI runs, and set.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			fmt.Fprintln(os.Stderr, "release:", line)
		}
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	dir := flags.String("C", ".", "root of the repository")
	if err := flags.Parse(args); err != nil {
		return err
	}
	files, err := readTree(*dir)
	if err != nil {
		return err
	}
	switch command, operand := flags.Arg(0), flags.Arg(1); {
	case command == "modules" && flags.NArg() == 1:
		return printModules(files, out)
	case command == "scratch" && flags.NArg() == 2:
		return scratch(files, operand)
	case command == "check" && flags.NArg() == 2:
		return check(*dir, files, operand)
	case command == "set" && flags.NArg() == 2:
		return set(*dir, files, operand, out)
	}
	return errors.New("usage: release [-C DIR] modules | scratch DIR | check VERSION | set VERSION")
}

func printModules(files tree, out io.Writer) error {
	modules, err := files.modules()
	if err != nil {
		return err
	}
	for _, m := range modules {
		fmt.Fprintln(out, m.dir)
	}
	return nil
}

// scratch writes the repository as a release of the required version would leave it, and the module
// proxy of that release.
func scratch(files tree, dir string) error {
	version, err := files.required()
	if err != nil {
		return err
	}
	released, zips, err := stage(files, version)
	if err != nil {
		return err
	}
	if err := released.write(filepath.Join(dir, "tree")); err != nil {
		return err
	}
	return writeProxy(filepath.Join(dir, "proxy"), zips)
}

// set writes the files that a release changes, and prints what is left to do.
func set(dir string, files tree, version string, out io.Writer) error {
	if err := checkVersion(version); err != nil {
		return err
	}
	released, _, err := stage(files, version)
	if err != nil {
		return err
	}
	changed := tree{}
	for name, content := range released {
		if before, ok := files[name]; !ok || string(before) != string(content) {
			changed[name] = content
		}
	}
	if err := changed.write(dir); err != nil {
		return err
	}
	tags, err := files.tags(version)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "# The go.sum lines hold for exactly these files: change nothing before the tags.")
	if len(changed) > 0 {
		fmt.Fprintf(out, "git add %s\n", strings.Join(changed.names(), " "))
		fmt.Fprintf(out, "git commit -m 'Release %s'\n", version)
	}
	for _, tag := range tags {
		fmt.Fprintln(out, "git tag", tag)
	}
	fmt.Fprintln(out, "git push --atomic origin HEAD", strings.Join(tags, " "))
	return nil
}
