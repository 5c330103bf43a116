// Package check reads deploy/ as Docker would and holds it against the rest of the tree: what compose.yml asks of a
// program, an image or a file must be there.
package check

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// tree is the repository; overrides are texts that stand for files, so that a test can plant a fault.
type tree struct {
	root      string
	overrides map[string]string
}

func (t tree) read(name string) (string, error) {
	if text, ok := t.overrides[name]; ok {
		return text, nil
	}
	text, err := os.ReadFile(filepath.Join(t.root, name))
	return string(text), err
}

// deployment is all that the rules look at.
type deployment struct {
	tree       tree
	project    *types.Project
	replicated *types.Project // with replicas.yml
	stages     []instructions.Stage
	ignored    *patternmatcher.PatternMatcher
	texts      map[string]string // files that are only searched, by path
}

// searched are the files that the rules take facts from.
var searched = []string{
	"README.md", ".gitignore", "CMakeLists.txt", "gateway/main.go", "deploy/mysql/databases.sh", "deploy/make-secrets",
	"deploy/build", "scripts/install", "customers/main.cc", "orders/main.cc", "coordinator/main.cc",
}

func load(ctx context.Context, t tree) (*deployment, error) {
	d := &deployment{tree: t, texts: map[string]string{}}
	for _, name := range searched {
		text, err := t.read(name)
		if err != nil {
			return nil, err
		}
		d.texts[name] = text
	}
	for _, part := range []func(context.Context) error{d.loadCompose, d.loadDockerfile, d.loadIgnored} {
		if err := part(ctx); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// loadCompose checks the files against Compose's schema, and that their volumes, networks, secrets and dependencies exist.
func (d *deployment) loadCompose(ctx context.Context) (err error) {
	if d.project, err = d.loadProject(ctx, "compose.yml"); err == nil {
		d.replicated, err = d.loadProject(ctx, "compose.yml", "replicas.yml")
	}
	return err
}

// loadProject reads files of deploy/, each of which changes those before it.
func (d *deployment) loadProject(ctx context.Context, names ...string) (*types.Project, error) {
	directory := filepath.Join(d.tree.root, "deploy")
	var files []types.ConfigFile
	for _, name := range names {
		text, err := d.tree.read("deploy/" + name)
		if err != nil {
			return nil, err
		}
		files = append(files, types.ConfigFile{Filename: filepath.Join(directory, name), Content: []byte(text)})
	}
	return loader.LoadWithContext(ctx, types.ConfigDetails{
		WorkingDir: directory, ConfigFiles: files, Environment: types.Mapping{},
	}, func(o *loader.Options) { o.SetProjectName("sagamesh", false) })
}

func (d *deployment) loadDockerfile(context.Context) error {
	text, err := d.tree.read("deploy/Dockerfile")
	if err != nil {
		return err
	}
	parsed, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		return err
	}
	if len(parsed.Warnings) > 0 {
		return fmt.Errorf("deploy/Dockerfile: %v", parsed.Warnings)
	}
	d.stages, _, err = instructions.Parse(parsed.AST, nil)
	return err
}

func (d *deployment) loadIgnored(context.Context) error {
	text, err := d.tree.read(".dockerignore")
	if err != nil {
		return err
	}
	patterns, err := ignorefile.ReadAll(bytes.NewBufferString(text))
	if err != nil {
		return err
	}
	d.ignored, err = patternmatcher.New(patterns)
	return err
}

// service is nil if compose.yml has none of that name.
func (d *deployment) service(name string) *types.ServiceConfig {
	if s, ok := d.project.Services[name]; ok {
		return &s
	}
	return nil
}

func (d *deployment) stage(name string) *instructions.Stage {
	for i := range d.stages {
		if d.stages[i].Name == name {
			return &d.stages[i]
		}
	}
	return nil
}

// commandsOf are the instructions of an image: those of its stage after those of the stages that it is made from.
func (d *deployment) commandsOf(target string) []instructions.Command {
	s := d.stage(target)
	if s == nil {
		return nil
	}
	return append(slices.Clone(d.commandsOf(s.BaseName)), s.Commands...)
}

// last is the instruction of that kind that an image ends up with, nil if it has none.
func last[T instructions.Command](commands []instructions.Command) (found T) {
	for _, c := range commands {
		if of, ok := c.(T); ok {
			found = of
		}
	}
	return found
}

var (
	abslFlag = regexp.MustCompile(`ABSL_FLAG\([^,]+, (\w+),`)
	goFlag   = regexp.MustCompile(`flags\.\w+\((?:&[\w.]+, )?"([\w-]+)"`)
)

// flagsOf are the names of the flags that a program defines, with dashes.
func (d *deployment) flagsOf(program string) []string {
	name, pattern := program+"/main.cc", abslFlag
	if program == "gateway" {
		name, pattern = "gateway/main.go", goFlag
	}
	var names []string
	for _, match := range pattern.FindAllStringSubmatch(d.texts[name], -1) {
		names = append(names, strings.ReplaceAll(match[1], "_", "-"))
	}
	return names
}

// flagsIn are the flags of a command line, by name.
func flagsIn(command []string) (flags map[string]string, rest []string) {
	flags = map[string]string{}
	for _, argument := range command {
		name, value, _ := strings.Cut(argument, "=")
		if strings.HasPrefix(name, "--") {
			flags[name[2:]] = value
		} else {
			rest = append(rest, argument)
		}
	}
	return flags, rest
}

// isIgnored: whether .dockerignore keeps a file or folder out of the build.
func (d *deployment) isIgnored(name string) bool {
	ignored, err := d.ignored.MatchesOrParentMatches(path.Clean(name))
	return err != nil || ignored
}
